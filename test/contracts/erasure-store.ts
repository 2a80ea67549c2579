import type { Test } from 'tap'
import type { DirectoryStore } from '../../src/directory/directory-store.ts'
import type { ErasureStore } from '../../src/directory/erasure.ts'
import type { InstanceId, PushVersion, TenantId, UserName } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import { accountsPush, appId, applicationPush, departmentsPush, tenantId, tenantPush, userName, versionAt } from '../support/directory-pushes.ts'
import { createPush, releasePush, versionOf } from '../support/instance-pushes.ts'

interface Opened { erasures: ErasureStore, directory: DirectoryStore }

const now = Date.UTC(2025, 0, 1)
const later = '20990101000000000' as PushVersion
const instanceId = 'instance-1' as InstanceId
const otherInstance = 'instance-2' as InstanceId
const otherTenant = 'tenant-2' as TenantId
const nobody = { tenants: 0, bindings: 0, accounts: 0, departments: 0 }

async function linesOf (directory: DirectoryStore): Promise<string[]> {
  const lines: string[] = []
  for await (const line of directory.export('production')) lines.push(line)
  return lines
}

/** A purchase with a memo and a buyer, two tenants on it, and a third one on another purchase. */
async function populate (directory: DirectoryStore): Promise<void> {
  const { change, ...created } = createPush(instanceId, now)
  const all: PushMessage[] = [
    { ...created, change: { ...change, buyer: { mobilePhone: 'CANARY' } } as typeof change },
    { ...created, change: { kind: 'provision', report: { kind: 'ready', memo: 'CANARY' } } },
    ...[{}, { tenantId: otherTenant }, { instanceId: otherInstance }].flatMap((where) => [
      tenantPush(1, where), applicationPush(1, where), departmentsPush(1, { ...where, change: 'replace' }),
      accountsPush(1, { ...where, accounts: ['a', 'b', userName].map((name) => ({ userName: name as UserName, name, details: { mobile: '1' } })) }),
    ]),
  ]
  for (const push of all) await directory.commit(push)
}

/** What every `ErasureStore` keeps to, with the directory whose commits plan erasures. */
export function testErasureStore (t: Test, openStore: (t: Test) => Promise<Opened>): void {
  const eraseDue = async ({ erasures }: Opened, before = later) =>
    Promise.all((await erasures.listDue(before, 100)).map((planned) => erasures.erase(planned)))

  t.test('what is due comes oldest first, once for each message, and only what was asked for before', async (t) => {
    const { erasures, directory } = await openStore(t)
    await populate(directory)
    t.same(await erasures.listDue(later, 10), [])
    const leave = (at: number, ...names: string[]) => directory.commit(accountsPush(at, { change: 'delete', accounts: names.map((name) => ({ userName: name as UserName, details: {} })) }))
    await leave(7, 'a')
    await leave(5, 'b')
    await leave(5, 'b')
    await directory.commit(accountsPush(5, { realm: 'test', change: 'delete' }))
    const scopeOf = (name: string) => ({ kind: 'account', tenantId, appId, userName: name, instanceId })
    t.strictSame(await erasures.listDue(later, 10), [{ scope: scopeOf('b'), version: versionAt(5) }, { scope: scopeOf('a'), version: versionAt(7) }])
    t.match(await erasures.listDue(later, 1), [{ version: versionAt(5) }])
    t.match(await erasures.listDue(versionAt(7), 10), [{ version: versionAt(5) }])
    t.same(await erasures.listDue(versionAt(5), 10), [])
  })

  t.test('an account that has left is removed without a trace of the name; the revision moves', async (t) => {
    const opened = await openStore(t)
    const { erasures, directory } = opened
    await populate(directory)
    const before = await linesOf(directory)
    await directory.commit(accountsPush(5, { change: 'delete' }))
    const revision = directory.revisionOf('production', tenantId)
    t.strictSame(await eraseDue(opened), [{ kind: 'account', tenantId, instanceId, ...nobody, accounts: 1, version: versionAt(5) }])
    t.not(directory.revisionOf('production', tenantId), revision)
    const [unsigned, ...others] = await erasures.listUnsigned()
    t.match(unsigned, { summary: { kind: 'account', accounts: 1, version: versionAt(5) } }, 'its receipt is owed')
    t.same(others, [])
    await erasures.keepReceipt({ erasedAt: 1, token: 'receipt' }, unsigned?.number ?? NaN)
    t.same(await erasures.listUnsigned(), [])
    const isOfAccount = (line: string) => line.includes(userName) && line.includes(`"${tenantId}"`) && line.includes(`"${instanceId}"`)
    t.strictSame(await linesOf(directory), before.filter((line) => !isOfAccount(line)))
    t.same(await erasures.listDue(later, 10), [])
  })

  t.test('what is alive again, and what has left again since, is kept', async (t) => {
    const opened = await openStore(t)
    const { erasures, directory } = opened
    await populate(directory)
    for (const push of [accountsPush(5, { change: 'delete' }), tenantPush(5, { change: 'delete' }), accountsPush(6), tenantPush(6)]) await directory.commit(push)
    const before = await linesOf(directory)
    t.strictSame(await eraseDue(opened), [undefined, undefined])
    t.strictSame(await linesOf(directory), before)
    t.same(await erasures.listDue(later, 10), [], 'the plans are gone')

    await directory.commit(tenantPush(7, { change: 'delete' }))
    await directory.commit(tenantPush(9, { change: 'delete' }))
    t.strictSame(await eraseDue(opened, versionAt(8)), [undefined], 'the newer deletion has its own time')
    t.match(await eraseDue(opened, versionAt(10)), [{ kind: 'tenant', tenants: 1, version: versionAt(9) }])
    t.same(await erasures.erase({ scope: { kind: 'tenant', tenantId, instanceId }, version: versionAt(9) }), undefined, 'nothing is left')
  })

  t.test('who has left the enterprise goes also if the grant is taken back afterwards, in whatever order the two come', async (t) => {
    const [left, revoked] = [accountsPush(5, { change: 'delete' }), accountsPush(6, { change: 'revoke' })]
    for (const pushes of [[left, revoked], [revoked, left]]) {
      const opened = await openStore(t)
      const { directory } = opened
      await directory.commit(accountsPush(1))
      for (const push of pushes) await directory.commit(push)
      t.match((await eraseDue(opened)).filter((summary) => summary !== undefined), [{ kind: 'account', accounts: 1 }])
      t.same(await linesOf(directory), [])
    }
  })

  t.test('a dissolved tenant goes with all that came under it, and nobody else does', async (t) => {
    const opened = await openStore(t)
    const { directory } = opened
    await populate(directory)
    const before = await linesOf(directory)
    await directory.commit(tenantPush(5, { change: 'delete' }))
    t.strictSame(await eraseDue(opened), [{ kind: 'tenant', tenantId, instanceId, tenants: 1, bindings: 1, accounts: 3, departments: 1, version: versionAt(5) }])
    const isGone = (line: string) => line.includes(`"${tenantId}"`) && line.includes(`"${instanceId}"`)
    t.strictSame(await linesOf(directory), before.filter((line) => !isGone(line)))
    t.equal(before.filter(isGone).length, 7)
  })

  t.test('a released instance goes with all its tenants; its tombstone answers the next release and names nobody', async (t) => {
    const opened = await openStore(t)
    const { directory } = opened
    await populate(directory)
    const revisions = () => [tenantId, otherTenant].map((id) => directory.revisionOf('production', id))
    const push = releasePush(instanceId, now + 1)
    await directory.commit(push)
    const before = revisions()
    t.strictSame(await eraseDue(opened), [{ kind: 'instance', instanceId, tenants: 2, bindings: 2, accounts: 6, departments: 2, version: push.version }])
    t.ok(revisions().every((revision, index) => revision !== before[index]))
    const lines = await linesOf(directory)
    t.notOk(lines.some((line) => line.includes('CANARY')))
    t.same(lines.map((line) => (JSON.parse(line) as { key: string[] }).key[0]).sort(), ['account', 'account', 'account', 'binding', 'department', 'department-list', 'instance', 'order', 'tenant'])
    t.ok(lines.filter((line) => !/"key":\["(instance|order)"/.test(line)).every((line) => line.includes(`"${otherInstance}"`)), 'the other purchase keeps its rows')
    t.match(await directory.commit(releasePush(instanceId, now + 2)), { kind: 'committed', instance: { instanceId, released: versionOf(now + 2) } })
    t.match(await directory.findInstances('production', [instanceId]), [{ access: { frontEndUrl: 'https://app.example.com' } }])
  })

  t.test('what comes to a released instance, late or signed since, goes too, also after the erasure', async (t) => {
    const opened = await openStore(t)
    const { directory, erasures } = opened
    await populate(directory)
    const release = releasePush(instanceId, now + 1)
    await directory.commit(release)
    await eraseDue(opened)
    const left = await linesOf(directory)
    for (const push of [tenantPush(1), applicationPush(1), accountsPush(1), departmentsPush(1, { change: 'replace' })]) {
      await directory.commit(push)
      t.strictSame(await erasures.listDue(later, 9), [{ scope: { kind: 'instance', instanceId }, version: push.version }], push.kind)
      t.match(await eraseDue(opened), [{ kind: 'instance' }])
      t.strictSame(await linesOf(directory), left)
    }
    await directory.commit({ ...accountsPush(1), version: versionOf(now - 1) })
    t.match(await erasures.listDue(later, 9), [{ version: release.version }], 'a late one has been due as long as the rest')
    await directory.commit(accountsPush(1, { instanceId: otherInstance }))
    t.equal((await erasures.listDue(later, 9)).length, 1, 'the other purchase is alive')
  })

  t.test('5000 accounts go with their tenant', async (t) => {
    const opened = await openStore(t)
    const { directory } = opened
    const accounts = Array.from({ length: 5_000 }, (_, index) => ({ userName: `user-${index}` as UserName, name: 'N', details: {} }))
    await directory.commit(accountsPush(1, { accounts }))
    await directory.commit(tenantPush(5, { change: 'delete' }))
    t.match(await eraseDue(opened), [{ tenants: 1, accounts: 5_000 }])
    t.same(await linesOf(directory), [])
  })

  t.test('receipts are kept, the newest last', async (t) => {
    const { erasures } = await openStore(t)
    t.same(await erasures.listReceipts(), [])
    const receipts = [{ erasedAt: 5, token: 'b' }, { erasedAt: 5, token: 'a' }, { erasedAt: 6, token: 'c' }]
    for (const [index, receipt] of receipts.entries()) await erasures.keepReceipt(receipt, index + 1)
    t.strictSame(await erasures.listReceipts(), receipts)
  })
}
