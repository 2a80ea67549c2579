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
  /** The purchase that the session works in. Then only its door and its losses count. */
  readonly chosen?: InstanceId | undefined
}

/**
 * Who may enter, and if not, why. Pure: the same rows at the same time give the same answer.
 *
 * With several purchases (多实例绑定) any one that is open lets the account in, one that gives full access before one to read in; the
 * newest tells name and role. A purchase that no newInstance has told of is taken as active: the tenant's own push was signed too.
 *
 * A session that works in one purchase is never moved to another without a word: the application keeps their data apart. When its
 * door closes while another is open the answer is `choice-needed`.
 */
export function decideAccess (view: AccessView, rules: AccessRules): AccessDecision {
  const { contract, knownLoss, chosen } = rules
  const tenants = view.tenants.filter(isLive)
  if (view.tenants.length === 0) return refuse('tenant-unknown')
  if (tenants.length === 0) return refuse('tenant-closed')
  if (!view.bindings.some(isLive)) return refuse('binding-missing')

  const granted = newestFirst(view.accounts.filter((account) => {
    return isOpenAccount(account) && tenants.some((tenant) => isSamePurchase(tenant, account))
  }))
  if (granted.length === 0) return refuse(whyClosed(view.accounts, knownLoss))
  const doors = granted.map((account) => ({ account, ...doorAt(view, account.instanceId, rules) }))
  const counting = chosen === undefined ? doors : doors.filter(({ account }) => account.instanceId === chosen)
  const entry = findOpen(counting, 'full') ?? findOpen(counting, 'read-only')
  if (entry === undefined) return refuseHere(view, doors, rules)
  if (isLostSince(knownLoss, newestLoss(view, contract, chosen))) return refuse('authorisation-withdrawn')
  const until = Math.min(...counting.map((door) => door.until))
  const principal = principalOf(view, entry.account, tenants, entry.access)
  return { kind: 'allow', principal, lastLoss: newestLoss(view, contract), ...(until === Infinity ? {} : { until }) }
}

interface AccountDoor { readonly account: Account, readonly door: Door, readonly until: number }

const isLostSince = (known: PushVersion | '' | undefined, newest: PushVersion | ''): boolean => known !== undefined && newest > known

function doorAt (view: AccessView, instanceId: InstanceId, { now, contract: rules }: AccessRules): Omit<AccountDoor, 'account'> {
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

/**
 * No door that counts is open; one that doesn't may be, unless that way in was lost since the sign-in, too. Nor does a way in count that
 * was given, or changed, after the session's own was taken away: there may have been a time without any, and that ends a session.
 */
function refuseHere (view: AccessView, doors: readonly AccountDoor[], { contract, knownLoss, chosen }: AccessRules): AccessDecision {
  const elsewhere = doors.filter(({ door }) => door.kind === 'open').map(({ account }) => account.instanceId)
  if (elsewhere.length === 0) return refuseAt(doors.map(({ door }) => door))
  const ownLoss = newestLoss(view, contract, chosen)
  const isEarlier = (instanceId: InstanceId): boolean => !isLostSince(knownLoss, ownLoss) ||
    [...view.tenants, ...view.accounts].every((row) => row.instanceId !== instanceId || row.version <= ownLoss)
  const isLasting = (instanceId: InstanceId): boolean =>
    !isLostSince(knownLoss, newestLoss(view, contract, instanceId)) && isEarlier(instanceId)
  return refuse(elsewhere.some(isLasting) ? 'choice-needed' : 'authorisation-withdrawn')
}

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

export function newestFirst<Row extends { version: string }> (rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => (a.version < b.version ? 1 : a.version > b.version ? -1 : 0))
}

/**
 * A freeze or a release is a loss for those who were let in by that purchase, where the seller's rules close the door for it.
 *
 * @param only the purchase whose losses count; all if absent
 */
function newestLoss (view: AccessView, rules: ContractRules, only?: InstanceId): PushVersion | '' {
  const isCounted = ({ instanceId }: { instanceId: InstanceId }): boolean => only === undefined || instanceId === only
  const ofRows = [...view.tenants, ...view.bindings, ...view.accounts].filter(isCounted).map(({ lastLoss }) => lastLoss)
  const instances = view.instances.filter(isCounted)
    .filter(({ instanceId }) => view.accounts.some((account) => account.instanceId === instanceId))
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
