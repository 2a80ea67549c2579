import { isOpenAccount, type AccessView, type Account, type Principal, type PushVersion, type Tenant } from './model.ts'
import type { AccessRefusal } from './refusal.ts'

export type AccessDecision =
  | { readonly kind: 'allow', readonly principal: Principal, readonly lastLoss: PushVersion | '' }
  | { readonly kind: 'refuse', readonly reason: AccessRefusal }

/**
 * Who may enter, and if not, why. Pure: the same rows give the same answer.
 *
 * With several purchases (多实例绑定) any one that is open lets the account in; the newest tells name and role.
 *
 * @param knownLoss the `lastLoss` of the decision that let this session in; a newer one means that access was taken away since,
 *   even if it has been given back
 */
export function decideAccess (view: AccessView, knownLoss?: PushVersion | ''): AccessDecision {
  const tenants = view.tenants.filter(isLive)
  if (view.tenants.length === 0) return refuse('tenant-unknown')
  if (tenants.length === 0) return refuse('tenant-closed')
  if (!view.bindings.some(isLive)) return refuse('binding-missing')

  const lastLoss = newestLoss(view)
  const isBought = (account: Account): boolean => tenants.some((tenant) => isSamePurchase(tenant, account))
  const open = newestFirst(view.accounts.filter((account) => isOpenAccount(account) && isBought(account)))
  const [account] = open
  if (account === undefined) return refuse(whyClosed(view.accounts, knownLoss))
  if (knownLoss !== undefined && lastLoss > knownLoss) return refuse('authorisation-withdrawn')
  return { kind: 'allow', principal: principalOf(view, account, tenants), lastLoss }
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

function newestLoss (view: AccessView): PushVersion | '' {
  return [...view.tenants, ...view.bindings, ...view.accounts]
    .reduce<PushVersion | ''>((newest, row) => (row.lastLoss > newest ? row.lastLoss : newest), '')
}

/** Names the cause that the person can act on: somebody switched the account off, took the grant away, or never gave it. */
function whyClosed (accounts: readonly Account[], knownLoss: PushVersion | '' | undefined): AccessRefusal {
  if (accounts.some((account) => !account.isDeleted && account.isAuthorised && !account.isEnabled)) return 'account-disabled'
  const hadAccess = knownLoss !== undefined || accounts.some((account) => account.lastLoss !== '')
  return hadAccess ? 'authorisation-withdrawn' : 'account-not-authorised'
}

function principalOf (view: AccessView, account: Account, tenants: readonly Tenant[]): Principal {
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
  }
}
