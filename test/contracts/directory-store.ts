import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { DirectoryStore } from '../../src/directory/directory-store.ts'
import type { AccessView } from '../../src/directory/access-view.ts'
import type { AppId, InstanceId, Realm, TenantId, UserName } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import { accountsPush, appId, applicationPush, departmentsPush, tenantId, tenantPush, userName, versionAt } from '../support/directory-pushes.ts'
import { createPush, readyPush, releasePush, statusPush } from '../support/instance-pushes.ts'
import { MemoryDirectory } from '../support/memory-directory.ts'

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

const now = Date.UTC(2025, 0, 1)
const instanceId = 'instance-1' as InstanceId
const buyer = { customerId: 'customer-1', userName: 'buyer-1', mobilePhone: '13900000000' }

/** A newInstance that names the customer, as V1 does. */
function bought (name: string = instanceId): PushMessage {
  const push = createPush(name, now)
  return { ...push, change: { ...push.change, buyer } as typeof push.change }
}

async function linesOf (store: DirectoryStore, realm: Realm = 'production'): Promise<string[]> {
  const lines: string[] = []
  for await (const line of store.export(realm)) lines.push(line)
  return lines
}

/** What every `DirectoryStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testDirectoryStore (t: Test, openStore: (t: Test) => Promise<DirectoryStore>): void {
  t.test('what is unknown has empty lists and a revision', async (t) => {
    const store = await openStore(t)
    t.strictSame(await view(store), { tenantId, appId, tenants: [], bindings: [], accounts: [], instances: [] })
    t.strictSame(await store.viewTenant('production', tenantId, appId), { tenantId, appId, tenants: [], bindings: [], accounts: [], instances: [] })
    t.equal(await store.revisionOf('production', tenantId), 0)
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
    const seen = new Set([await store.revisionOf('production', tenantId)])
    for (const push of [tenantPush(1), applicationPush(1), accountsPush(1), accountsPush(0), tenantPush(2, { change: 'delete' })]) {
      await commit(store, push)
      seen.add(await store.revisionOf('production', tenantId))
    }
    t.equal(seen.size, 6)
    t.equal(await store.revisionOf('test', tenantId), 0)
    t.equal(await store.revisionOf('production', 'tenant' as TenantId), 0)
  })

  t.test('T-49: the same signature has no second effect', async (t) => {
    const store = await openStore(t)
    await commit(store, tenantPush(1), 'same')
    const revision = await store.revisionOf('production', tenantId)
    t.strictSame(await commit(store, tenantPush(2, { name: 'Other' }), 'same'), { kind: 'repeated' })
    t.match((await view(store)).tenants, [{ name: 'Acme' }])
    t.equal(await store.revisionOf('production', tenantId), revision)
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
    t.equal(await store.revisionOf('production', tenantId), 0)
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
    t.equal(await store.revisionOf('production', tenantId), 5)
  })

  t.test('a failed commit has changed nothing, and the next one goes on', async (t) => {
    const store = await openStore(t)
    const endless = { userName: 'x'.repeat(100_000) as UserName, name: 'X', details: {} }
    const outcome = await commit(store, accountsPush(1, { accounts: [{ userName, name: '张三', details: {} }, endless] })).catch((error: unknown) => error)
    t.match(outcome, { code: 'GW_STORAGE_UNAVAILABLE' })
    t.same((await view(store)).accounts, [])
    t.equal(await store.revisionOf('production', tenantId), 0)
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

  t.test('T-49: a repeated signature brings the answer that was given, also one that came after the commit', async (t) => {
    const store = await openStore(t)
    const receipt = { signatureDigest: 'known before', expiresAt: 1_000, answer: '{"resultCode":"000000"}' }
    t.strictSame(await store.commit(tenantPush(1), receipt), { kind: 'committed' })
    t.strictSame(await store.commit(tenantPush(1), { ...receipt, answer: 'another' }), { kind: 'repeated', answer: receipt.answer })
    t.equal(await store.findAnswer('known before'), receipt.answer)

    await commit(store, tenantPush(2), 'known later')
    t.equal(await store.findAnswer('known later'), undefined)
    await store.keepAnswer('known later', 1_001, 'later')
    t.equal(await store.findAnswer('known later'), 'later')
    t.strictSame(await commit(store, tenantPush(2), 'known later'), { kind: 'repeated', answer: 'later' })

    await store.keepAnswer('a question', 1_001, 'changed nothing')
    t.equal(await store.findAnswer('a question'), 'changed nothing', 'of a call without a commit too')
    t.strictSame(await commit(store, tenantPush(3), 'a question'), { kind: 'committed' }, 'an answer alone is no receipt')
    await store.sweep(1_001)
    t.equal(await store.findAnswer('known before'), undefined, 'answers go with their time')
    t.equal(await store.findAnswer('a question'), 'changed nothing')
  })

  t.test('an instance is found by its id and by its order, with what is personal in it; a repeated order finds the same', async (t) => {
    const store = await openStore(t)
    const outcome = await commit(store, bought())
    t.match(outcome, { kind: 'committed', instance: { instanceId, buyer, provisioning: 'ready' } })
    t.match(await commit(store, { ...bought(), instanceId: 'wish' as InstanceId }), { kind: 'committed', instance: { instanceId } })
    t.match(await store.findInstances('production', [instanceId, 'unknown' as InstanceId, instanceId]), [{ instanceId, buyer }])
    const order = { orderId: `order of ${instanceId}`, orderLineId: '' }
    t.match(await store.findInstanceOfOrder('production', order), { instanceId, buyer })
    t.equal(await store.findInstanceOfOrder('production', { ...order, orderLineId: '1' }), undefined)
    t.equal(await store.findInstanceOfOrder('test', order), undefined)
    t.same(await store.findInstances('test', [instanceId]), [])
  })

  t.test('an instance that gets another id before anybody was told is found by the new one only', async (t) => {
    const store = await openStore(t)
    await commit(store, createPush('wish', now, { provisioning: 'pending' }))
    const named = { ...readyPush('wish', now + 1), change: { kind: 'provision', report: { kind: 'ready', instanceId, memo: 'first password' } } } as const
    t.match(await store.commit(named), { kind: 'committed', instance: { instanceId, access: { memo: 'first password' } } })
    t.match(await store.findInstances('production', ['wish' as InstanceId, instanceId]), [{ instanceId, access: { memo: 'first password' } }])
    t.match(await store.findInstanceOfOrder('production', { orderId: 'order of wish', orderLineId: '' }), { instanceId })
  })

  t.test('a change to an unknown instance changes nothing and keeps no receipt', async (t) => {
    const store = await openStore(t)
    t.strictSame(await commit(store, statusPush(instanceId, now, 'frozen'), 'unknown'), { kind: 'instance-unknown' })
    await commit(store, bought())
    t.match(await commit(store, statusPush(instanceId, now + 1, 'frozen'), 'unknown'), { kind: 'committed', instance: { status: { value: 'frozen' } } })
  })

  t.test('what happens to an instance moves the revision of every tenant that is bound to it, and of no other', async (t) => {
    const store = await openStore(t)
    const tenants = ['tenant-1', 'tenant-2', 'other'] as TenantId[]
    for (const tenantId of tenants) await commit(store, tenantPush(1, { tenantId, instanceId: tenantId === 'other' ? 'instance-2' as InstanceId : instanceId }))
    const revisions = () => Promise.all(tenants.map(async (tenantId) => store.revisionOf('production', tenantId)))
    let before = await revisions()
    for (const push of [bought(), statusPush(instanceId, now + 1, 'frozen'), statusPush(instanceId, now + 2, 'normal'), releasePush(instanceId, now + 3)]) {
      await commit(store, push)
      const after = await revisions()
      t.not(after[0], before[0], 'the first tenant')
      t.not(after[1], before[1], 'the second tenant')
      t.equal(after[2], before[2], 'the tenant of another instance')
      before = after
    }
    t.match((await view(store)).instances, [{ instanceId, released: /./ }])
    t.match((await store.viewTenant('production', tenantId, appId)).instances, [{ instanceId }])
    t.same((await store.viewTenant('production', 'other' as TenantId, appId)).instances, [], 'nothing is known of that purchase')
  })

  t.test('departments are listed unless they were deleted or a newer full list leaves them out', async (t) => {
    const store = await openStore(t)
    const codes = async () => (await store.listDepartments('production', tenantId, instanceId)).map(({ code }) => code).sort()
    const departments = ['a', 'b', 'c'].map((code) => ({ code, name: code.toUpperCase(), parentCode: '' }))
    await commit(store, departmentsPush(1, { departments }))
    t.same(await codes(), ['a', 'b', 'c'])
    await commit(store, departmentsPush(2, { change: 'delete', departments: [{ code: 'a' }] }))
    t.same(await codes(), ['b', 'c'])
    await commit(store, departmentsPush(3, { change: 'replace', departments: departments.slice(1, 2) }))
    t.same(await codes(), ['b'])
    await commit(store, departmentsPush(4, { change: 'replace', departments: [] }))
    t.same(await codes(), ['b'], 'an empty list wipes nobody')
    await commit(store, departmentsPush(5, { departments: departments.slice(2) }))
    t.same(await codes(), ['b', 'c'])
    t.same(await store.listDepartments('production', tenantId, 'instance-2' as InstanceId), [])
    t.same(await store.listDepartments('test', tenantId, instanceId), [])
  })

  t.test('5000 accounts or departments in one push are all there or, if one is incomplete, none; the last entry of a name counts', async (t) => {
    const store = await openStore(t)
    const accounts = Array.from({ length: 5_000 }, (_, index) => ({ userName: `user-${index}` as UserName, name: `name ${index}`, details: {} }))
    const nameless = { userName: 'nobody' as UserName, details: {} }
    t.strictSame(await commit(store, accountsPush(1, { accounts: [...accounts, nameless] })), { kind: 'incomplete', member: 'userList.name' })
    t.same(await linesOf(store), [])
    t.equal(await store.revisionOf('production', tenantId), 0)
    const again = { userName: 'user-0' as UserName, name: 'renamed', details: {} }
    t.strictSame(await commit(store, accountsPush(2, { accounts: [...accounts, again] })), { kind: 'committed' })
    t.equal((await linesOf(store)).length, 5_000)
    t.equal(await store.revisionOf('production', tenantId), 1)
    t.match((await view(store, { tenantId, appId, userName: again.userName })).accounts, [{ name: 'renamed' }])
    const departments = accounts.map(({ userName, name }) => ({ code: userName, name, parentCode: '' }))
    await commit(store, departmentsPush(1, { change: 'replace', departments: [...departments, { code: 'user-0', name: 'renamed', parentCode: '' }] }))
    const listed = await store.listDepartments('production', tenantId, instanceId)
    t.equal(listed.length, 5_000)
    t.match(listed.find(({ code }) => code === 'user-0'), { name: 'renamed' })
  })

  t.test('the export is the whole realm in canonical lines, secrets and personal values opened: equal directories give equal bytes', async (t) => {
    const [store, maps] = [await openStore(t), new MemoryDirectory()]
    const pushes = [
      tenantPush(1), applicationPush(1), accountsPush(1), bought(), departmentsPush(1), tenantPush(1, { realm: 'test' }),
      departmentsPush(2, { change: 'replace' }), accountsPush(2, { change: 'modify', accounts: [{ userName, details: { email: 'e' } }] }),
    ]
    for (const push of pushes) {
      await commit(store, push)
      await commit(maps, push)
    }
    const lines = await linesOf(store)
    t.strictSame(lines, await linesOf(maps))
    const kinds = lines.map((line) => (JSON.parse(line) as { key: string[] }).key[0])
    t.same(kinds, ['account', 'binding', 'department', 'department-list', 'instance', 'order', 'tenant'])
    t.match(lines[1], /"clientSecret":"client-secret-1"/)
    t.match(lines[4], /"mobilePhone":"13900000000"/)
    t.equal((await linesOf(store, 'test')).length, 1)
    await commit(store, accountsPush(3))
    t.notSame(await linesOf(store), lines, 'a difference is seen')
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
      place, instanceId: fc.oneof(fc.constant(''), name) as fc.Arbitrary<InstanceId>, kind: fc.constantFrom('tenant', 'application', 'accounts', 'departments', 'instance'),
    })
    const somePushes = fc.array(anyPush, { minLength: 1, maxLength: 12 })
    await fc.assert(fc.asyncProperty(somePushes, fc.array(place, { maxLength: 3 }), async (pushes, others) => {
      const [store, maps] = [await openStore(t), new MemoryDirectory()]
      for (const [index, { kind, place: { tenantId, appId, userName }, instanceId }] of pushes.entries()) {
        const push = {
          tenant: tenantPush(index, { tenantId, instanceId, name: `tenant ${index}` }),
          application: applicationPush(index, { tenantId, instanceId, appId, clientSecret: new Secret(`secret ${index}`) }),
          accounts: accountsPush(index, { tenantId, instanceId, appId, accounts: [{ userName, name: `account ${index}`, details: {} }] }),
          departments: departmentsPush(index, { tenantId, instanceId, departments: [{ code: userName, name: `department ${index}` }] }),
          instance: createPush(instanceId, now + index),
        }[kind]
        await commit(store, push, `${index}`)
        await commit(maps, push, `${index}`)
      }
      for (const of of [...pushes.map((push) => push.place), ...others]) {
        assert.deepEqual(comparable(await view(store, of)), comparable(await view(maps, of)))
        assert.equal(await store.revisionOf('production', of.tenantId), maps.revisionOf('production', of.tenantId))
      }
      assert.deepEqual(await linesOf(store), await linesOf(maps))
    }), { numRuns: 25 })
  })
}
