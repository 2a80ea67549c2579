import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { ContractRules } from '../../src/directory/contract.ts'
import { currentBinding, currentTenant, decideAccess, type AccessDecision } from '../../src/directory/decide-access.ts'
import type { AppId, InstanceId, PushVersion, TenantId, UserName } from '../../src/directory/model.ts'
import type { AccountsPush, ApplicationPush, DepartmentsPush, PushedAccount, PushMessage, TenantPush } from '../../src/directory/push-message.ts'
import { MemoryDirectory } from '../support/memory-directory.ts'

const tenantId = 'tenant' as TenantId
const appId = 'app' as AppId
const userName = 'zhangsan' as UserName
const one = 'one' as InstanceId
const two = 'two' as InstanceId
const versionAt = (at: number): PushVersion => `202501010800${String(at).padStart(5, '0')}` as PushVersion
const head = (at: number, instanceId = one) => ({ realm: 'production', tenantId, instanceId, version: versionAt(at) }) as const

const tenantPush = (at: number, change: TenantPush['change'] = 'add', more: Partial<TenantPush> = {}): TenantPush => {
  return { ...head(at), kind: 'tenant', change, name: 'Acme', authorizationServer: 'https://acme.example', ...more }
}
const applicationPush = (at: number, change: ApplicationPush['change'] = 'add', more: Partial<ApplicationPush> = {}): ApplicationPush => {
  return { ...head(at), kind: 'application', change, appId, clientId: 'client', clientSecret: new Secret('secret'), ...more }
}
const zhang: PushedAccount = { userName, name: '张三', departmentCode: 'd', role: 'user', isEnabled: true, details: { position: 'p', mobile: '1' } }
const accountsPush = (at: number, change: AccountsPush['change'] = 'add', more: Partial<AccountsPush> & { account?: Partial<PushedAccount> } = {}): AccountsPush => {
  const { account, ...push } = more
  return { ...head(at), kind: 'accounts', change, appId, accounts: [{ ...zhang, ...account }], ...push }
}

async function directoryAfter (...pushes: PushMessage[]): Promise<MemoryDirectory> {
  const directory = new MemoryDirectory()
  for (const [index, push] of pushes.entries()) await directory.commit(push, { signatureDigest: String(index), expiresAt: 0 })
  return directory
}

const contract: ContractRules = { graceDays: 1, grace: 'full', expired: 'renew', frozen: 'renew', released: 'refuse' }

async function decide (directory: MemoryDirectory, knownLoss?: PushVersion | ''): Promise<AccessDecision> {
  const view = await directory.viewAccess('production', tenantId, appId, userName)
  return decideAccess(view, { now: 0, contract, ...(knownLoss === undefined ? {} : { knownLoss }) })
}

async function reasonAfter (knownLoss: PushVersion | '' | undefined, ...pushes: PushMessage[]): Promise<string> {
  const decision = await decide(await directoryAfter(...pushes), knownLoss)
  return decision.kind === 'allow' ? 'allow' : decision.reason
}

const account = (directory: MemoryDirectory, instanceId = one) => directory.account('production', tenantId, appId, userName, instanceId)

t.test('an older message changes nothing and is no failure', async (t) => {
  const directory = await directoryAfter(tenantPush(5), applicationPush(5), accountsPush(5))
  for (const older of [
    tenantPush(4, 'add', { name: 'Old' }), tenantPush(3, 'modify', { name: 'Old' }),
    applicationPush(4, 'add', { clientId: 'old' }), accountsPush(4, 'add', { account: { name: 'Old' } }), accountsPush(3, 'modify', { account: { role: 'admin' } }),
  ]) t.same(await directory.commit(older, { signatureDigest: `${older.kind} ${older.version}`, expiresAt: 0 }), { kind: 'committed' })
  t.match(directory.tenant('production', tenantId, one), { name: 'Acme', version: versionAt(5) })
  t.match(directory.binding('production', tenantId, appId, one), { clientId: 'client', version: versionAt(5) })
  t.match(account(directory), { name: '张三', role: 'user', version: versionAt(5) })
})

t.test('of two messages of one time the later arrival counts', async (t) => {
  const directory = await directoryAfter(accountsPush(5), accountsPush(5, 'modify', { account: { name: 'Renamed' } }))
  t.match(account(directory), { name: 'Renamed', version: versionAt(5) })
})

t.test('T-45: a late, older "add" does not revive what was deleted or revoked', async (t) => {
  for (const change of ['delete', 'revoke'] as const) {
    const directory = await directoryAfter(tenantPush(1), applicationPush(1), accountsPush(5, change), accountsPush(4), accountsPush(3, 'modify'))
    t.match(account(directory), { isAuthorised: false, isDeleted: change === 'delete', version: versionAt(5) })
    t.match(await decide(directory), { kind: 'refuse', reason: 'authorisation-withdrawn' })
  }
  t.equal(await reasonAfter(undefined, tenantPush(5, 'delete'), tenantPush(4)), 'tenant-closed')
  t.equal(await reasonAfter(undefined, tenantPush(1), applicationPush(5, 'delete'), applicationPush(4)), 'binding-missing')
})

t.test('a late change to a tombstone may lack whatever it likes', async (t) => {
  const directory = await directoryAfter(tenantPush(5, 'delete'), applicationPush(5, 'delete'), accountsPush(5, 'delete'))
  const bare = { kind: 'accounts', change: 'modify', appId, accounts: [{ userName, details: {} }] } as const
  for (const [index, late] of [
    { ...head(4), kind: 'tenant', change: 'modify' } as const, { ...head(4), kind: 'application', change: 'modify', appId } as const, { ...head(4), ...bare },
  ].entries()) t.same(await directory.commit(late, { signatureDigest: `late ${index}`, expiresAt: 0 }), { kind: 'committed' })
  t.same(await directory.commit({ ...head(6), ...bare }, { signatureDigest: 'newer', expiresAt: 0 }), { kind: 'committed' })
  t.equal(account(directory)?.isDeleted, true)
})

t.test('what was taken away only an addition brings back, never a modification', async (t) => {
  const open = [tenantPush(1), applicationPush(1), accountsPush(1)]
  const losses: [string, PushMessage, PushMessage, PushMessage][] = [
    ['authorisation-withdrawn', accountsPush(2, 'revoke'), accountsPush(3, 'modify'), accountsPush(4)],
    ['authorisation-withdrawn', accountsPush(2, 'delete'), accountsPush(3, 'modify'), accountsPush(4)],
    ['tenant-closed', tenantPush(2, 'delete'), tenantPush(3, 'modify'), tenantPush(4)],
    ['binding-missing', applicationPush(2, 'delete'), applicationPush(3, 'modify'), applicationPush(4)],
  ]
  for (const [reason, loss, modification, addition] of losses) {
    t.equal(await reasonAfter(undefined, ...open, loss, modification), reason)
    t.equal(await reasonAfter(undefined, ...open, modification, loss), reason, 'in either order')
    t.equal(await reasonAfter(undefined, ...open, loss, modification, addition), 'allow')
    t.equal(await reasonAfter(undefined, ...open, addition, modification, loss), 'allow', 'in any order')
  }
})

t.test('a tombstone holds no secret and no personal data', async (t) => {
  const directory = await directoryAfter(tenantPush(1), applicationPush(1), accountsPush(1), tenantPush(2, 'delete'), applicationPush(2, 'delete'), accountsPush(2, 'delete'))
  t.equal(directory.binding('production', tenantId, appId, one)?.clientSecret, undefined)
  t.match(account(directory), { name: '', departmentCode: '', details: {} })
  t.same(account(directory)?.details, {})
  t.match(directory.tenant('production', tenantId, one), { name: '', authorizationServer: '' })
})

t.test('a modification of something unknown adds it, if it brings what a row needs', async (t) => {
  t.equal(await reasonAfter(undefined, tenantPush(1, 'modify'), applicationPush(1, 'modify'), accountsPush(1, 'modify')), 'allow')
  const directory = new MemoryDirectory()
  const commit = (push: PushMessage) => directory.commit(push, { signatureDigest: 'x', expiresAt: 0 })
  t.same(await commit({ ...head(1), kind: 'tenant', change: 'modify', name: 'Acme' }), { kind: 'incomplete', member: 'domainName' })
  t.same(await commit({ ...head(1), kind: 'tenant', change: 'modify', authorizationServer: 'https://x' }), { kind: 'incomplete', member: 'name' })
  t.same(await commit({ ...head(1), kind: 'application', change: 'modify', appId, clientId: 'c' }), { kind: 'incomplete', member: 'clientSecret' })
  t.same(await commit({ ...head(1), kind: 'application', change: 'modify', appId, clientSecret: new Secret('s') }), { kind: 'incomplete', member: 'clientId' })
  const nameless = { userName: 'lisi' as UserName, details: {} }
  t.same(await commit(accountsPush(1, 'modify', { accounts: [zhang, nameless] })), { kind: 'incomplete', member: 'userList.name' })
  t.equal(directory.accounts.size, 0, 'of a list with one bad entry nothing is taken')
})

t.test('a modification keeps what it does not mention and clears what it empties; an addition starts afresh', async (t) => {
  const bare = { userName, details: {} }
  const kept = await directoryAfter(accountsPush(1, 'add', { account: { role: 'admin', isEnabled: false } }), accountsPush(2, 'modify', { accounts: [bare] }))
  t.match(account(kept), { name: '张三', departmentCode: 'd', role: 'admin', isEnabled: false, details: { position: 'p', mobile: '1' } })
  const cleared = await directoryAfter(accountsPush(1), accountsPush(2, 'modify', { accounts: [{ ...bare, departmentCode: '', details: { mobile: '' } }] }))
  t.match(account(cleared), { departmentCode: '', details: { position: 'p', mobile: '' } })
  const anew = await directoryAfter(accountsPush(1), accountsPush(2, 'add', { account: { details: { email: 'e' } } }))
  t.same(account(anew)?.details, { email: 'e' })
})

t.test('of several entries of one name in a list the last counts', async (t) => {
  const directory = await directoryAfter(accountsPush(1, 'add', { accounts: [{ ...zhang, role: 'admin' }, zhang] }))
  t.equal(account(directory)?.role, 'user')
})

t.test('each "no" has its reason', async (t) => {
  const open = [tenantPush(1), applicationPush(1)]
  const cases: [string, PushMessage[]][] = [
    ['tenant-unknown', []],
    ['tenant-unknown', [accountsPush(1), applicationPush(1)]],
    ['tenant-closed', [...open, accountsPush(1), tenantPush(2, 'delete')]],
    ['binding-missing', [tenantPush(1), accountsPush(1)]],
    ['binding-missing', [...open, accountsPush(1), applicationPush(2, 'delete')]],
    ['account-not-authorised', open],
    ['account-not-authorised', [...open, accountsPush(1, 'add', { accounts: [{ ...zhang, userName: 'ZhangSan' as UserName }] })]],
    ['account-disabled', [...open, accountsPush(1, 'add', { account: { isEnabled: false } })]],
    ['authorisation-withdrawn', [...open, accountsPush(1), accountsPush(2, 'revoke')]],
    ['authorisation-withdrawn', [...open, accountsPush(1), accountsPush(2, 'delete')]],
    ['account-not-authorised', [...open, accountsPush(1, 'add', { instanceId: two })]],
    ['tenant-unknown', [tenantPush(1, 'add', { realm: 'test' }), applicationPush(1, 'add', { realm: 'test' }), accountsPush(1, 'add', { realm: 'test' })]],
    ['allow', [...open, accountsPush(1)]],
  ]
  for (const [index, [reason, pushes]] of cases.entries()) t.equal(await reasonAfter(undefined, ...pushes), reason, `case ${index}`)
})

t.test('a session dies of any loss that its sign-in did not know of, also after access came back', async (t) => {
  const open = [tenantPush(1), applicationPush(1), accountsPush(1)]
  const losses: [string, PushMessage, PushMessage][] = [
    ['account disabled', accountsPush(2, 'modify', { account: { isEnabled: false } }), accountsPush(3)],
    ['account revoked', accountsPush(2, 'revoke'), accountsPush(3)],
    ['account deleted', accountsPush(2, 'delete'), accountsPush(3)],
    ['tenant deleted', tenantPush(2, 'delete'), tenantPush(3)],
    ['client deleted', applicationPush(2, 'delete'), applicationPush(3)],
  ]
  for (const [name, loss, back] of losses) {
    const directory = await directoryAfter(...open, loss, back)
    t.match(await decide(directory, ''), { kind: 'refuse', reason: 'authorisation-withdrawn' }, name)
    const fresh = await decide(directory)
    t.match(fresh, { kind: 'allow', lastLoss: versionAt(2) }, `${name}: a new sign-in succeeds`)
    if (fresh.kind === 'allow') t.match(await decide(directory, fresh.lastLoss), { kind: 'allow' })
    t.same(await decide(await directoryAfter(...open, back, loss), ''), await decide(directory, ''), `${name}: in either order`)
  }
  t.equal(await reasonAfter('', ...open, accountsPush(2, 'modify', { account: { role: 'admin' } })), 'allow', 'a change of role is no loss')
})

t.test('with several purchases any open one lets the account in, and the newest names it', async (t) => {
  const open = [tenantPush(1), applicationPush(1), accountsPush(1)]
  const second = [
    tenantPush(2, 'add', { instanceId: two, name: 'Acme Two' }), applicationPush(2, 'add', { instanceId: two, clientId: 'client two' }),
    accountsPush(2, 'add', { instanceId: two, account: { role: 'admin' } }),
  ]
  const both = await directoryAfter(...open, ...second)
  t.match(await decide(both), { kind: 'allow', principal: { tenantName: 'Acme Two', instanceId: two, role: 'admin' } })
  const view = await both.viewTenant('production', tenantId, appId)
  t.equal(currentTenant(view)?.name, 'Acme Two')
  t.equal(currentBinding(view)?.clientId, 'client two')

  t.match(await decide(await directoryAfter(...open, ...second, accountsPush(3, 'delete', { instanceId: two }))), { kind: 'allow', principal: { instanceId: one } })
  const oneClosed = await directoryAfter(...open, ...second, tenantPush(3, 'delete', { instanceId: two }))
  t.match(await decide(oneClosed), { kind: 'allow', principal: { instanceId: one, tenantName: 'Acme' } })
  t.equal(currentTenant(await oneClosed.viewTenant('production', tenantId, appId))?.name, 'Acme')
  const bothGone = [accountsPush(3, 'delete', { instanceId: two }), accountsPush(3, 'revoke')]
  t.equal(await reasonAfter(undefined, ...open, ...second, ...bothGone), 'authorisation-withdrawn')
  const otherPurchase = [tenantPush(2, 'add', { instanceId: two }), tenantPush(3, 'delete')]
  t.equal(await reasonAfter(undefined, ...open, ...otherPurchase), 'account-not-authorised', 'the account of a closed purchase does not count')
})

t.test('T-45: a late addition brings what no newer modification has spoken of, and nothing else', async (t) => {
  const late = await directoryAfter(accountsPush(5, 'modify', { accounts: [{ userName, name: 'New', details: { mobile: '2' } }] }), accountsPush(4))
  t.match(account(late), { name: 'New', departmentCode: 'd', role: 'user', isEnabled: true, details: { position: 'p', mobile: '2' }, version: versionAt(5) })
  const later = await directoryAfter(accountsPush(5, 'modify', { accounts: [{ userName, name: 'New', details: {} }] }), accountsPush(4), accountsPush(3, 'add', { account: { role: 'admin' } }))
  t.match(account(later), { name: 'New', role: 'user' }, 'the newest word counts, also among late ones')
})

t.test('departments: a full list makes what it leaves out inactive, an empty one and an older one do not', async (t) => {
  const departments = (at: number, change: DepartmentsPush['change'], ...codes: string[]): DepartmentsPush =>
    ({ ...head(at), kind: 'departments', change, departments: codes.map((code) => ({ code, name: `N${code}` })) })
  const active = async (...pushes: PushMessage[]) =>
    (await (await directoryAfter(...pushes)).listDepartments('production', tenantId, one)).map(({ code }) => code).sort()
  t.same(await active(departments(1, 'add', 'a'), departments(2, 'replace', 'b', 'c')), ['b', 'c'])
  t.same(await active(departments(2, 'replace', 'b'), departments(1, 'add', 'a')), ['b'], 'a late addition was overtaken by the list')
  t.same(await active(departments(2, 'replace', 'b'), departments(3, 'add', 'a')), ['a', 'b'])
  t.same(await active(departments(1, 'add', 'a'), departments(2, 'replace')), ['a'], 'an empty list wipes nothing')
  t.same(await active(departments(3, 'replace', 'b'), departments(2, 'replace', 'a')), ['b'])
  t.same(await active(departments(1, 'replace', 'a', 'b'), departments(2, 'delete', 'a')), ['b'])
})
