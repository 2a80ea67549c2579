import type { AccessView } from './access-view.ts'
import { contractStanding, doorOf, isOpening, type ClosedBecause, type ContractRules, type Door } from './contract.ts'
import {
  isOpenAccount, type AccessLevel, type Account, type InstanceId, type Principal, type PushVersion, type Tenant,
} from './model.ts'
import type { AccessRefusal } from './refusal.ts'

export type AccessDecision =
  | {
    readonly kind: 'allow'
    readonly principal: Principal
    readonly lastLoss: PushVersion | ''
    /** Epoch ms up to which the same rows give the same answer; absent if only a push can change it. */
    readonly until?: number
  }
  | {
    readonly kind: 'refuse'
    readonly reason: AccessRefusal
    /** The seller's rules want the person shown the way to renew the purchase. */
    readonly isRenewable?: true
  }

export interface AccessRules {
  /** Epoch ms. */
  readonly now: number
  readonly contract: ContractRules
  /**
   * The `lastLoss` of the decision that let this session in; a newer one means that access was taken away since, even if it has been
   * given back.
   */
  readonly knownLoss?: PushVersion | ''
}

/**
 * Who may enter, and if not, why. Pure: the same rows at the same time give the same answer.
 *
 * With several purchases (多实例绑定) any one that is open lets the account in, one that gives full access before one to read in; the
 * newest tells name and role. A purchase that no newInstance has told of is taken as active: the tenant's own push was signed too.
 */
export function decideAccess (view: AccessView, { now, contract, knownLoss }: AccessRules): AccessDecision {
  const tenants = view.tenants.filter(isLive)
  if (view.tenants.length === 0) return refuse('tenant-unknown')
  if (tenants.length === 0) return refuse('tenant-closed')
  if (!view.bindings.some(isLive)) return refuse('binding-missing')

  const granted = newestFirst(view.accounts.filter((account) => {
    return isOpenAccount(account) && tenants.some((tenant) => isSamePurchase(tenant, account))
  }))
  if (granted.length === 0) return refuse(whyClosed(view.accounts, knownLoss))
  const doors = granted.map((account) => ({ account, ...doorAt(view, account.instanceId, now, contract) }))
  const entry = findOpen(doors, 'full') ?? findOpen(doors, 'read-only')
  if (entry === undefined) return refuseAt(doors.map(({ door }) => door))
  const lastLoss = newestLoss(view, contract)
  if (knownLoss !== undefined && lastLoss > knownLoss) return refuse('authorisation-withdrawn')
  const until = Math.min(...doors.map((door) => door.until))
  const principal = principalOf(view, entry.account, tenants, entry.access)
  return { kind: 'allow', principal, lastLoss, ...(until === Infinity ? {} : { until }) }
}

interface AccountDoor { readonly account: Account, readonly door: Door, readonly until: number }

function doorAt (view: AccessView, instanceId: InstanceId, now: number, rules: ContractRules): Omit<AccountDoor, 'account'> {
  const instance = view.instances.find((candidate) => candidate.instanceId === instanceId)
  if (instance === undefined) return { door: { kind: 'open', access: 'full' }, until: Infinity }
  const { state, until = Infinity } = contractStanding(instance, now, rules.graceDays)
  return { door: doorOf(state, rules), until }
}

function findOpen (doors: readonly AccountDoor[], access: AccessLevel): { account: Account, access: AccessLevel } | undefined {
  const found = doors.find(({ door }) => door.kind === 'open' && door.access === access)
  return found && { account: found.account, access }
}

/** Of several closed purchases the person hears of the one that is nearest to opening again. */
const hope: readonly ClosedBecause[] = ['instance-not-ready', 'instance-expired', 'instance-frozen', 'instance-released']

function refuseAt (doors: readonly Door[]): AccessDecision {
  const closed = doors.filter((door) => door.kind === 'closed')
  const reason = hope.find((because) => closed.some((door) => door.because === because)) ?? 'instance-released'
  const isRenewable = closed.some((door) => door.because === reason && door.isRenewable)
  return { kind: 'refuse', reason, ...(isRenewable ? { isRenewable } : {}) }
}

/** The tenant row that speaks for the enterprise now: its name and its authorization server. */
export function currentTenant (view: Pick<AccessView, 'tenants'>): Tenant | undefined {
  return newestFirst(view.tenants.filter(isLive))[0]
}

/** The OAuth client to sign in with now: the newest that was not taken away (`login.md` Q22). */
export function currentBinding (view: Pick<AccessView, 'bindings'>): AccessView['bindings'][number] | undefined {
  return newestFirst(view.bindings.filter(isLive))[0]
}

const refuse = (reason: AccessRefusal): AccessDecision => ({ kind: 'refuse', reason })

const isLive = (row: { isDeleted: boolean }): boolean => !row.isDeleted

const isSamePurchase = (tenant: Tenant, account: Account): boolean => tenant.instanceId === account.instanceId

function newestFirst<Row extends { version: string }> (rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => (a.version < b.version ? 1 : a.version > b.version ? -1 : 0))
}

/** A freeze or a release is a loss for those who were let in by that purchase, where the seller's rules close the door for it. */
function newestLoss (view: AccessView, rules: ContractRules): PushVersion | '' {
  const ofRows = [...view.tenants, ...view.bindings, ...view.accounts].map(({ lastLoss }) => lastLoss)
  const instances = view.instances.filter(({ instanceId }) => view.accounts.some((account) => account.instanceId === instanceId))
  const ofFreezes = isOpening(rules.frozen) ? [] : instances.map(({ lastLoss }) => lastLoss)
  const ofReleases = isOpening(rules.released) ? [] : instances.map(({ released }) => released)
  return [...ofRows, ...ofFreezes, ...ofReleases].reduce<PushVersion | ''>((newest, loss) => (loss > newest ? loss : newest), '')
}

/** Names the cause that the person can act on: somebody switched the account off, took the grant away, or never gave it. */
function whyClosed (accounts: readonly Account[], knownLoss: PushVersion | '' | undefined): AccessRefusal {
  if (accounts.some((account) => !account.isDeleted && account.isAuthorised && !account.isEnabled)) return 'account-disabled'
  const hadAccess = knownLoss !== undefined || accounts.some((account) => account.lastLoss !== '')
  return hadAccess ? 'authorisation-withdrawn' : 'account-not-authorised'
}

function principalOf (view: AccessView, account: Account, tenants: readonly Tenant[], access: AccessLevel): Principal {
  const tenant = currentTenant({ tenants })
  return {
    tenantId: view.tenantId,
    tenantName: tenant?.name ?? '',
    appId: view.appId,
    instanceId: account.instanceId,
    userName: account.userName,
    name: account.name,
    role: account.role,
    departmentCode: account.departmentCode,
    access,
  }
}
