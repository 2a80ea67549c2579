import { applyInstance } from './apply-instance.ts'
import type { ErasureScope } from './erasure.ts'
import { isLate, mergeRow, newer, type Members } from './merge-row.ts'
import type { Account, AccountDetails, ClientBinding, Department, PushVersion, Realm, Tenant } from './model.ts'
import type { AccountsPush, ApplicationPush, DepartmentsPush, PushedAccount, PushedDepartment, PushMessage, TenantPush } from './push-message.ts'
import type { PushEffect, RowReader, RowWrite } from './rows.ts'

/**
 * What a push changes. Pure: reads through `rows`, returns what to write.
 *
 * Order is not promised and repeats are normal (`sync.md` §1.1): an older message brings only what no newer one has spoken of, a
 * modification of an unknown thing adds it, a deletion of an unknown thing leaves a tombstone.
 */
export function applyPush (push: PushMessage, rows: RowReader): PushEffect {
  return push.kind === 'instance' ? applyInstance(push, rows) : erasedWithInstance(push, rows, applyToTenant(push, rows))
}

type PushOfTenant = Exclude<PushMessage, { kind: 'instance' }>

function applyToTenant (push: PushOfTenant, rows: RowReader): PushEffect {
  switch (push.kind) {
    case 'tenant': return applyTenant(push, rows.tenant(push.realm, push.tenantId, push.instanceId))
    case 'application': return applyApplication(push, rows.binding(push.realm, push.tenantId, push.appId, push.instanceId))
    case 'accounts': return applyAccounts(push, rows)
    case 'departments': return applyDepartments(push, rows)
  }
}

/** What comes to a purchase after its release may come after the release's erasure too, and must go all the same. */
function erasedWithInstance ({ realm, instanceId, version }: PushOfTenant, rows: RowReader, effect: PushEffect): PushEffect {
  const released = realm === 'production' ? rows.instance(realm, instanceId)?.released ?? '' : ''
  if (effect.kind !== 'changed' || released === '') return effect
  const planned = { scope: { kind: 'instance', instanceId }, version: newer(version, released) } as const
  return { ...effect, writes: [...effect.writes, { kind: 'erasure', planned }] }
}

const changed = (...writes: RowWrite[]): PushEffect => ({ kind: 'changed', writes, events: [] })

const isWhole = (change: string): boolean => change !== 'modify' && change !== 'revoke'

/** A modification says nothing of whether a thing is there: what was taken away only an addition brings back. */
const standingOf = (change: string, isDeleted: boolean): Members => (change === 'modify' || change === 'revoke' ? {} : { isDeleted })

/** Names the members that a message speaks of: a modification leaves out what it leaves open. */
const spoken = (members: Members): Members => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))

const blankTenant = { name: '', tenantCode: '', orderId: '', authorizationServer: '', isDeleted: false }

function applyTenant (push: TenantPush, current: Tenant | undefined): PushEffect {
  const isDeleted = push.change === 'delete'
  const { name, tenantCode, orderId, authorizationServer, version } = push
  const standing = standingOf(push.change, isDeleted)
  const members = spoken(isDeleted ? standing : { ...standing, name, tenantCode, orderId, authorizationServer })
  const merged = mergeRow({ current, members, blank: blankTenant, isWhole: isWhole(push.change), version, isLoss: isDeleted })
  const row = { instanceId: push.instanceId, ...unfold(merged) } as unknown as Tenant
  const mustBeWhole = !row.isDeleted && !isLate(version, current)
  if (mustBeWhole && row.name === '') return { kind: 'incomplete', member: 'name' }
  if (mustBeWhole && row.authorizationServer === '') return { kind: 'incomplete', member: 'domainName' }
  const { realm, tenantId, instanceId } = push
  return changed({ kind: 'tenant', row }, ...erasureOf(row.isDeleted, realm, { kind: 'tenant', tenantId, instanceId }, row.version))
}

const blankBinding = { clientId: '', clientSecret: undefined, isDeleted: false }

function applyApplication (push: ApplicationPush, current: ClientBinding | undefined): PushEffect {
  const isDeleted = push.change === 'delete'
  const { clientId, clientSecret, version } = push
  const standing = standingOf(push.change, isDeleted)
  const members = spoken(isDeleted ? standing : { ...standing, clientId, clientSecret })
  const merged = mergeRow({ current, members, blank: blankBinding, isWhole: isWhole(push.change), version, isLoss: isDeleted })
  const row = { instanceId: push.instanceId, ...unfold(merged) } as unknown as ClientBinding
  const mustBeWhole = !row.isDeleted && !isLate(version, current)
  if (mustBeWhole && row.clientId === '') return { kind: 'incomplete', member: 'clientId' }
  if (mustBeWhole && row.clientSecret === undefined) return { kind: 'incomplete', member: 'clientSecret' }
  return changed({ kind: 'binding', appId: push.appId, row })
}

function applyAccounts (push: AccountsPush, rows: RowReader): PushEffect {
  // The last entry of a name wins, as if the entries had come one by one.
  const pushed = new Map(push.accounts.map((account) => [account.userName, account]))
  const { realm, tenantId, appId, instanceId, version } = push
  const writes: RowWrite[] = []
  for (const account of pushed.values()) {
    const current = rows.account(realm, tenantId, appId, account.userName, instanceId)
    const row = nextAccount(push, account, current)
    const mayLackName = row.isDeleted || push.change === 'revoke' || isLate(version, current)
    if (!mayLackName && row.name === '') return { kind: 'incomplete', member: 'userList.name' }
    const scope = { kind: 'account', tenantId, appId, userName: account.userName, instanceId } as const
    writes.push({ kind: 'account', appId, row }, ...erasureOf(row.isDeleted, realm, scope, row.version))
  }
  return changed(...writes)
}

const detailNames: readonly (keyof AccountDetails)[] = [
  'position', 'employeeCode', 'employeeType', 'mobile', 'email', 'workPlace', 'entryDate',
]

const blankAccount = {
  name: '',
  departmentCode: '',
  role: 'user',
  isEnabled: true,
  // Of an account that only a modification has brought: it is as good as an addition (sync.md §1.1).
  isAuthorised: true,
  isDeleted: false,
  ...Object.fromEntries(detailNames.map((name) => [`details.${name}`, undefined])),
}

function nextAccount (push: AccountsPush, pushed: PushedAccount, current: Account | undefined): Account {
  const isDeleted = push.change === 'delete'
  const isAuthorised = !isDeleted && push.change !== 'revoke'
  const { instanceId, version } = push
  const { userName, name, departmentCode, role, isEnabled, details } = pushed
  const isLoss = !isAuthorised || isEnabled === false
  // As `mergeRow` would have it, without its detours: a list of thousands is nearly always of this kind.
  if (push.change === 'add' && !isLate(version, current)) {
    const lastLoss = newer(current?.lastLoss ?? '', isLoss ? version : '')
    return {
      instanceId,
      userName,
      name: name ?? '',
      departmentCode: departmentCode ?? '',
      role: role ?? 'user',
      isEnabled: isEnabled ?? true,
      isAuthorised,
      isDeleted,
      details,
      version,
      lastLoss,
    }
  }
  const named = Object.fromEntries(Object.entries(details).map(([detail, value]) => [`details.${detail}`, value]))
  // A tombstone holds no personal data: the person has left the enterprise (sync.md §1.4, "0 against 3").
  const grant = push.change === 'modify' ? {} : { isAuthorised }
  const standing = { ...standingOf(push.change, isDeleted), ...grant }
  const members = spoken(isDeleted ? standing : { ...standing, name, departmentCode, role, isEnabled, ...named })
  const merged = mergeRow({ current, members, blank: blankAccount, isWhole: isWhole(push.change), version, isLoss })
  return { instanceId, userName, ...unfold(merged) } as unknown as Account
}

const blankDepartment = { name: '', parentCode: '', isDeleted: false }

function applyDepartments (push: DepartmentsPush, rows: RowReader): PushEffect {
  const { realm, tenantId, instanceId, version } = push
  const pushed = new Map(push.departments.map((department) => [department.code, department]))
  const writes: RowWrite[] = []
  for (const department of pushed.values()) {
    const current = rows.department(realm, tenantId, instanceId, department.code)
    const row = nextDepartment(push, department, current)
    const mayLackName = row.isDeleted || isLate(version, current)
    if (!mayLackName && row.name === '') return { kind: 'incomplete', member: 'orgName' }
    writes.push({ kind: 'department', row })
  }
  const list = rows.departmentList(realm, tenantId, instanceId)
  // An empty list would make every department inactive at once: more likely a mistake than a wish (sync.md §6, row 11).
  if (push.change === 'replace' && pushed.size > 0 && (list === undefined || list.version <= version)) {
    writes.push({ kind: 'department-list', row: { instanceId, version } })
  }
  return changed(...writes)
}

function nextDepartment (push: DepartmentsPush, { code, name, parentCode }: PushedDepartment, current: Department | undefined): Department {
  const isDeleted = push.change === 'delete'
  const standing = standingOf(push.change, isDeleted)
  const members = spoken(isDeleted ? standing : { ...standing, name, parentCode })
  const merged = mergeRow({
    current, members, blank: blankDepartment, isWhole: isWhole(push.change), version: push.version, isLoss: false,
  })
  return { instanceId: push.instanceId, code, ...unfold(merged) } as unknown as Department
}

/** Retention starts with the message; test data stays for the next test (sync.md §6, row 22). */
function erasureOf (isGone: boolean, realm: Realm, scope: ErasureScope, version: PushVersion): RowWrite[] {
  return isGone && realm === 'production' ? [{ kind: 'erasure', planned: { scope, version } }] : []
}

/** The members as a row has them: `details.email` inside `details`, members without a value left out. */
function unfold ({ members, ...rest }: ReturnType<typeof mergeRow>): Record<string, unknown> {
  const row: Record<string, unknown> = rest
  const details: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(members)) {
    if (!name.startsWith('details.')) row[name] = value
    else if (value !== undefined) details[name.slice('details.'.length)] = value
  }
  if ('details.email' in members) row['details'] = details
  return row
}
