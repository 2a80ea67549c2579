import {
  isOpenAccount, type Account, type AppId, type ClientBinding, type InstanceId, type PushedRow, type PushVersion, type Realm, type Tenant,
  type TenantId, type UserName,
} from './model.ts'
import type { AccountsPush, ApplicationPush, PushedAccount, PushMessage, TenantPush } from './push-message.ts'

/** A row to write. Tenant and realm are the push's own: no push can name another tenant's row (C-57). */
export type RowWrite =
  | { readonly kind: 'tenant', readonly row: Tenant }
  | { readonly kind: 'binding', readonly appId: AppId, readonly row: ClientBinding }
  | { readonly kind: 'account', readonly appId: AppId, readonly row: Account }

/** The rows as they are now, inside the transaction that will write the new ones. */
export interface RowReader {
  tenant (realm: Realm, tenantId: TenantId, instanceId: InstanceId): Tenant | undefined
  binding (realm: Realm, tenantId: TenantId, appId: AppId, instanceId: InstanceId): ClientBinding | undefined
  account (realm: Realm, tenantId: TenantId, appId: AppId, userName: UserName, instanceId: InstanceId): Account | undefined
}

export type PushEffect =
  | { readonly kind: 'changed', readonly writes: readonly RowWrite[] }
  /** A change to something unknown left out what a new row needs. */
  | { readonly kind: 'incomplete', readonly member: string }

/**
 * What a push changes. Pure: reads through `rows`, returns what to write.
 *
 * Order is not promised and repeats are normal (`sync.md` §1.1): an older message changes nothing but the memory of a loss, a
 * modification of an unknown thing adds it, a deletion of an unknown thing leaves a tombstone.
 *
 * Only a modification builds on the row that is there. Every other message says alone what the row becomes, or the same messages
 * in another order would leave another row (T-45).
 */
export function applyPush (push: PushMessage, rows: RowReader): PushEffect {
  switch (push.kind) {
    case 'tenant': return applyTenant(push, rows.tenant(push.realm, push.tenantId, push.instanceId))
    case 'application': return applyApplication(push, rows.binding(push.realm, push.tenantId, push.appId, push.instanceId))
    case 'accounts': return applyAccounts(push, rows)
  }
}

function applyTenant (push: TenantPush, current: Tenant | undefined): PushEffect {
  const isDeleted = push.change === 'delete'
  const former = push.change === 'modify' ? current : undefined
  const { name, tenantCode, orderId, authorizationServer } = isDeleted ? {} : { ...former, ...push }
  const mustBeWhole = !isDeleted && !isLate(push, current)
  if (mustBeWhole && !name) return { kind: 'incomplete', member: 'name' }
  if (mustBeWhole && !authorizationServer) return { kind: 'incomplete', member: 'domainName' }
  const row: Tenant = {
    instanceId: push.instanceId,
    name: name ?? '',
    authorizationServer: authorizationServer ?? '',
    tenantCode: tenantCode ?? '',
    orderId: orderId ?? '',
    isDeleted,
    version: push.version,
    lastLoss: '',
  }
  return { kind: 'changed', writes: [{ kind: 'tenant', row: settle(current, row, isDeleted) }] }
}

function applyApplication (push: ApplicationPush, current: ClientBinding | undefined): PushEffect {
  const isDeleted = push.change === 'delete'
  const former = push.change === 'modify' ? current : undefined
  const { clientId, clientSecret } = isDeleted ? {} : { ...former, ...push }
  const mustBeWhole = !isDeleted && !isLate(push, current)
  if (mustBeWhole && !clientId) return { kind: 'incomplete', member: 'clientId' }
  if (mustBeWhole && clientSecret === undefined) return { kind: 'incomplete', member: 'clientSecret' }
  const row: ClientBinding = {
    instanceId: push.instanceId, clientId: clientId ?? '', clientSecret, isDeleted, version: push.version, lastLoss: '',
  }
  return { kind: 'changed', writes: [{ kind: 'binding', appId: push.appId, row: settle(current, row, isDeleted) }] }
}

function applyAccounts (push: AccountsPush, rows: RowReader): PushEffect {
  // The last entry of a name wins, as if the entries had come one by one.
  const pushed = new Map(push.accounts.map((account) => [account.userName, account]))
  const writes: RowWrite[] = []
  for (const account of pushed.values()) {
    const current = rows.account(push.realm, push.tenantId, push.appId, account.userName, push.instanceId)
    const row = nextAccount(push, account, current)
    if (row === 'incomplete') return { kind: 'incomplete', member: 'userList.name' }
    writes.push({ kind: 'account', appId: push.appId, row: settle(current, row, !isOpenAccount(row)) })
  }
  return { kind: 'changed', writes }
}

function nextAccount (push: AccountsPush, pushed: PushedAccount, current: Account | undefined): Account | 'incomplete' {
  const isDeleted = push.change === 'delete'
  const isLeaving = isDeleted || push.change === 'revoke'
  const former = push.change === 'modify' ? current : undefined
  // A tombstone holds no personal data: the person has left the enterprise (sync.md §1.4, "0 against 3").
  const { name, departmentCode, role, isEnabled } = isDeleted ? {} : { ...former, ...pushed }
  if (!isLeaving && !name && !isLate(push, current)) return 'incomplete'
  return {
    instanceId: push.instanceId,
    userName: pushed.userName,
    name: name ?? '',
    departmentCode: departmentCode ?? '',
    role: role ?? 'user',
    isEnabled: isEnabled ?? true,
    isAuthorised: !isLeaving,
    details: isDeleted ? {} : { ...former?.details, ...pushed.details },
    isDeleted,
    version: push.version,
    lastLoss: '',
  }
}

/** The newer of the two rows, with the newest loss of both: the same whichever came first. */
function settle<Row extends PushedRow> (current: Row | undefined, next: Row, isLoss: boolean): Row {
  const lastLoss = newer(current?.lastLoss ?? '', isLoss ? next.version : '')
  return { ...(current !== undefined && isLate(next, current) ? current : next), lastLoss }
}

/** Overtaken by a newer message: it may lack whatever it likes, since it changes nothing any more. */
function isLate (next: { version: PushVersion }, current: PushedRow | undefined): boolean {
  return current !== undefined && next.version < current.version
}

function newer (a: PushVersion | '', b: PushVersion | ''): PushVersion | '' {
  return a > b ? a : b
}
