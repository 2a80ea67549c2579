import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { DirectoryStore } from '../../src/directory/directory-store.ts'
import type { AccessView } from '../../src/directory/access-view.ts'
import type { AppId, InstanceId, TenantId, UserName } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import { MemoryDirectory } from '../support/memory-directory.ts'
import { accountsPush, appId, applicationPush, tenantId, tenantPush, userName, versionAt } from '../support/directory-pushes.ts'

let receipts = 0
const commit = (store: DirectoryStore, push: PushMessage, signatureDigest = `receipt-${receipts++}`, expiresAt = 1_000) =>
  store.commit(push, { signatureDigest, expiresAt })
const view = (store: DirectoryStore, of = { tenantId, appId, userName }) => store.viewAccess('production', of.tenantId, of.appId, of.userName)

/** The view with its secrets revealed and its rows in one order, to compare two stores. */
function comparable ({ tenants, bindings, accounts, ...rest }: AccessView): unknown {
  const revealed = bindings.map(({ clientSecret, ...binding }) => ({ ...binding, secret: clientSecret?.reveal() ?? null }))
  const sorted = <Row extends { instanceId: string }>(rows: readonly Row[]) =>
    [...rows].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
  return { ...rest, tenants: sorted(tenants), bindings: sorted(revealed), accounts: sorted(accounts) }
}

/** What every `DirectoryStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testDirectoryStore (t: Test, openStore: (t: Test) => Promise<DirectoryStore>): void {
  t.test('what is unknown has empty lists and a revision', async (t) => {
    const store = await openStore(t)
    t.strictSame(await view(store), { tenantId, appId, tenants: [], bindings: [], accounts: [], instances: [] })
    t.strictSame(await store.viewTenant('production', tenantId, appId), { tenantId, appId, tenants: [], bindings: [], accounts: [], instances: [] })
    t.equal(store.revisionOf('production', tenantId), 0)
  })

  t.test('each kind of push is there when its commit has resolved', async (t) => {
    const store = await openStore(t)
    t.strictSame(await commit(store, tenantPush(1)), { kind: 'committed' })
    t.strictSame(await commit(store, applicationPush(2)), { kind: 'committed' })
    t.strictSame(await commit(store, accountsPush(3)), { kind: 'committed' })
    const seen = await view(store)
    t.match(seen.tenants, [{ name: 'Acme', authorizationServer: 'https://acme.example', version: versionAt(1) }])
    t.match(seen.bindings, [{ clientId: 'client-1', version: versionAt(2) }])
    t.equal(seen.bindings[0]?.clientSecret?.reveal(), 'client-secret-1')
    t.match(seen.accounts, [{ userName, name: '张三', isAuthorised: true, version: versionAt(3) }])
    t.same((await store.viewTenant('production', tenantId, appId)).accounts, [])
    t.match(await store.viewTenant('production', tenantId, appId), { tenants: [{ name: 'Acme' }], bindings: [{ clientId: 'client-1' }] })
  })

  t.test('the revision is another one after each commit, and only for its own tenant and realm', async (t) => {
    const store = await openStore(t)
    const seen = new Set([store.revisionOf('production', tenantId)])
    for (const push of [tenantPush(1), applicationPush(1), accountsPush(1), accountsPush(0), tenantPush(2, { change: 'delete' })]) {
      await commit(store, push)
      seen.add(store.revisionOf('production', tenantId))
    }
    t.equal(seen.size, 6)
    t.equal(store.revisionOf('test', tenantId), 0)
    t.equal(store.revisionOf('production', 'tenant' as TenantId), 0)
  })

  t.test('T-49: the same signature has no second effect', async (t) => {
    const store = await openStore(t)
    await commit(store, tenantPush(1), 'same')
    const revision = store.revisionOf('production', tenantId)
    t.strictSame(await commit(store, tenantPush(2, { name: 'Other' }), 'same'), { kind: 'repeated' })
    t.match((await view(store)).tenants, [{ name: 'Acme' }])
    t.equal(store.revisionOf('production', tenantId), revision)
    const at = await Promise.all(Array.from({ length: 20 }, (_, index) => commit(store, tenantPush(3, { name: `N${index}` }), 'at once')))
    t.equal(at.filter(({ kind }) => kind === 'committed').length, 1)
    t.equal(at.filter(({ kind }) => kind === 'repeated').length, 19)
    t.match((await view(store)).tenants, [{ name: 'N0' }])
  })

  t.test('an incomplete push changes nothing, not even in part, and its receipt is not kept', async (t) => {
    const store = await openStore(t)
    const nameless = { userName: 'lisi' as UserName, details: {} }
    const push = accountsPush(1, { accounts: [{ userName, name: '张三', details: {} }, nameless] })
    t.strictSame(await commit(store, push, 'incomplete'), { kind: 'incomplete', member: 'userList.name' })
    t.same((await view(store)).accounts, [])
    t.equal(store.revisionOf('production', tenantId), 0)
    t.strictSame(await commit(store, accountsPush(1), 'incomplete'), { kind: 'committed' }, 'it was never taken, so it is no repetition')
  })

  t.test('two commits at once for one tenant see each other\'s rows', async (t) => {
    const store = await openStore(t)
    const change = (at: number, more: object) => accountsPush(at, { change: 'modify', accounts: [{ userName, details: {}, ...more }] })
    await Promise.all([
      commit(store, accountsPush(1)),
      commit(store, change(2, { departmentCode: 'd' })),
      commit(store, change(3, { role: 'admin' })),
      commit(store, change(4, { details: { mobile: '1' } })),
      commit(store, change(5, { details: { email: 'e' } })),
    ])
    t.match((await view(store)).accounts, [{ name: '张三', departmentCode: 'd', role: 'admin', version: versionAt(5) }])
    t.strictSame((await view(store)).accounts[0]?.details, { mobile: '1', email: 'e' })
    t.equal(store.revisionOf('production', tenantId), 5)
  })

  t.test('a failed commit has changed nothing, and the next one goes on', async (t) => {
    const store = await openStore(t)
    const endless = { userName: 'x'.repeat(100_000) as UserName, name: 'X', details: {} }
    const outcome = await commit(store, accountsPush(1, { accounts: [{ userName, name: '张三', details: {} }, endless] })).catch((error: unknown) => error)
    t.match(outcome, { code: 'GW_STORAGE_UNAVAILABLE' })
    t.same((await view(store)).accounts, [])
    t.equal(store.revisionOf('production', tenantId), 0)
    t.strictSame(await commit(store, accountsPush(1)), { kind: 'committed' })
  })

  t.test('T-49: sweep forgets exactly the receipts that have expired', async (t) => {
    const store = await openStore(t)
    for (const [name, expiresAt] of [['old', 999], ['border', 1_000], ['new', 1_001]] as const) await commit(store, tenantPush(1), name, expiresAt)
    t.equal(await store.sweep(1_000), 1)
    t.same(await commit(store, tenantPush(1), 'border'), { kind: 'repeated' })
    t.same(await commit(store, tenantPush(1), 'new'), { kind: 'repeated' })
    t.same(await commit(store, tenantPush(1), 'old'), { kind: 'committed' })
    t.match((await view(store)).tenants, [{ name: 'Acme' }], 'the directory itself is no receipt')
  })

  t.test('C-57: rows of near-alike names never mix, and it answers as the maps do', async (t) => {
    const name = fc.oneof(
      fc.constantFrom('a', 'ab', 'a\u0000', 'a\u0000b', '\u0000', '\u001f', '1', '01', 'A', 'é', 'e\u0301', '\uffff', '\u{10ffff}', 'a/b', 'true', '__proto__'),
      fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme-composite' }),
    )
    const place = fc.record({
      tenantId: name as fc.Arbitrary<TenantId>, appId: name as fc.Arbitrary<AppId>, userName: name as fc.Arbitrary<UserName>,
    })
    const anyPush = fc.record({
      place, instanceId: fc.oneof(fc.constant(''), name) as fc.Arbitrary<InstanceId>, kind: fc.constantFrom('tenant', 'application', 'accounts'),
    })
    const somePushes = fc.array(anyPush, { minLength: 1, maxLength: 12 })
    await fc.assert(fc.asyncProperty(somePushes, fc.array(place, { maxLength: 3 }), async (pushes, others) => {
      const [store, maps] = [await openStore(t), new MemoryDirectory()]
      for (const [index, { kind, place: { tenantId, appId, userName }, instanceId }] of pushes.entries()) {
        const push = kind === 'tenant'
          ? tenantPush(index, { tenantId, instanceId, name: `tenant ${index}` })
          : kind === 'application'
            ? applicationPush(index, { tenantId, instanceId, appId, clientSecret: new Secret(`secret ${index}`) })
            : accountsPush(index, { tenantId, instanceId, appId, accounts: [{ userName, name: `account ${index}`, details: {} }] })
        await commit(store, push, `${index}`)
        await commit(maps, push, `${index}`)
      }
      for (const of of [...pushes.map((push) => push.place), ...others]) {
        assert.deepEqual(comparable(await view(store, of)), comparable(await view(maps, of)))
        assert.equal(store.revisionOf('production', of.tenantId), maps.revisionOf('production', of.tenantId))
      }
    }), { numRuns: 25 })
  })
}
