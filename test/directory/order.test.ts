import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { Buyer, OrderKey } from '../../src/directory/instance.ts'
import type { AppId, InstanceId, PushVersion, Realm, TenantId, UserName } from '../../src/directory/model.ts'
import type { InstanceChange, InstancePush, PushMessage } from '../../src/directory/push-message.ts'
import { MemoryDirectory } from '../support/memory-directory.ts'

const appId = 'app' as AppId
const tenantIds = ['tenant-a', 'tenant-b'] as TenantId[]
const instanceIds = ['one', 'two'] as InstanceId[]
const versionAt = (at: number): PushVersion => `202501010800${String(at).padStart(5, '0')}` as PushVersion
type Undated = (version: PushVersion) => PushMessage

const realm = fc.constantFrom<Realm>('production', 'test')
const bound = fc.record({ realm, tenantId: fc.constantFrom(...tenantIds), instanceId: fc.constantFrom(...instanceIds, '' as InstanceId) })
const some = <Value>(...values: Value[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
const optional = <Members extends Record<string, fc.Arbitrary<unknown>>>(members: Members) =>
  fc.record(members).map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))

const tenantPush = fc.tuple(bound, fc.constantFrom('add', 'modify', 'delete'), optional({ name: some('A', 'B', ''), authorizationServer: some('https://a', 'https://b'), orderId: some('', 'o') }))
  .map(([head, change, members]): Undated => (version) => {
    return { ...head, kind: 'tenant', change, version, ...(change === 'add' ? { name: 'N', authorizationServer: 'https://n' } : {}), ...members, ...(members['name'] === '' ? { name: 'N' } : {}) }
  })
const applicationPush = fc.tuple(bound, fc.constantFrom('add', 'modify', 'delete'), some('c', 'd'), some('s', 't'))
  .map(([head, change, clientId, secret]): Undated => (version) => {
    const given = { ...(clientId && { clientId }), ...(secret && { clientSecret: new Secret(secret) }) }
    const whole = change === 'add' ? { clientId: 'c', clientSecret: new Secret('s') } : {}
    return { ...head, kind: 'application', change, version, appId, ...whole, ...given }
  })
const account = fc.tuple(fc.constantFrom('a', 'b', '__proto__'), optional({
  name: some('A', 'B'), departmentCode: some('', 'd'), role: some('user', 'admin'), isEnabled: some(true, false),
}), optional({ position: some('', 'p'), mobile: some('1', '2'), email: some('e') }))
const accountsPush = fc.tuple(bound, fc.constantFrom('add', 'modify', 'revoke', 'delete'), fc.uniqueArray(account, { selector: ([name]) => name, minLength: 1 }))
  .map(([head, change, accounts]): Undated => (version) => ({
    ...head,
    kind: 'accounts',
    change,
    version,
    appId,
    accounts: accounts.map(([userName, members, details]) => ({ userName: userName as UserName, ...(change === 'add' ? { name: 'N' } : {}), ...members, details })),
  }))
const department = fc.tuple(fc.constantFrom('d', 'e', 'f'), optional({ name: some('D', 'E'), parentCode: some('', 'd') }))
const departmentsPush = fc.tuple(bound, fc.constantFrom('add', 'modify', 'delete', 'replace'), fc.uniqueArray(department, { selector: ([code]) => code }))
  .map(([head, change, departments]): Undated => (version) => ({
    ...head,
    kind: 'departments',
    change,
    version,
    departments: departments.map(([code, members]) => ({ code, ...(change === 'modify' ? {} : { name: 'N' }), ...members })),
  }))

const order = (orderId: string): OrderKey => ({ orderId, orderLineId: `${orderId}-000001` })
type Creation = Extract<InstanceChange, { kind: 'create' }>
const creation = (orderId: string, more: Partial<Omit<Creation, 'kind'>> = {}): Creation => ({
  kind: 'create',
  spareInstanceId: `spare-${orderId}` as InstanceId,
  order: order(orderId),
  businessId: 'b',
  provisioning: 'ready',
  frontEndUrl: 'https://app',
  ...more,
})

const instancePush = fc.tuple(realm, fc.nat(1), fc.oneof(
  fc.constant('create' as const),
  fc.tuple(fc.constantFrom('RENEWAL', 'UNSUBSCRIBE_RENEWAL_PERIOD'), fc.constantFrom(order('r1'), order('r2')), fc.nat(9))
    .map(([scene, order, expiresAt]): InstanceChange => ({ kind: 'renew', scene, order, expiresAt })),
  fc.constantFrom('normal', 'frozen', 'expired').map((status): InstanceChange => ({ kind: 'status', status })),
  fc.constantFrom(order('u1'), order('u2')).map((order): InstanceChange => ({ kind: 'upgrade', order, details: {} })),
)).map(([realm, which, change]): Undated => (version) => ({
  kind: 'instance', realm, version, instanceId: instanceIds[which]!, change: change === 'create' ? creation(`order-${which}`) : change,
}))

const anyPush = fc.oneof(tenantPush, applicationPush, accountsPush, departmentsPush, instancePush, instancePush)
/** Of a history's instances some are released in the end, perhaps twice. */
const releases = fc.array(fc.tuple(fc.constant('production'), fc.constantFrom(...instanceIds)), { maxLength: 3 })
const history = fc.tuple(fc.array(anyPush, { minLength: 1, maxLength: 14 }), releases).map(([pushes, ends]) => [
  ...pushes.map((push, index) => push(versionAt(index))),
  ...ends.map(([realm, instanceId], index): PushMessage => ({ kind: 'instance', realm, instanceId, version: versionAt(500 + index), change: { kind: 'release' } })),
])

/** What the marketplace does: it sends again what was refused, until nothing more is taken. */
async function deliver (pushes: readonly PushMessage[]): Promise<MemoryDirectory> {
  const directory = new MemoryDirectory()
  let waiting = pushes.map((push, index) => ({ push, digest: `${index}` }))
  for (let before = -1; before !== waiting.length;) {
    before = waiting.length
    const refused: typeof waiting = []
    for (const each of waiting) {
      const outcome = await directory.commit(each.push, { signatureDigest: each.digest, expiresAt: 0 })
      if (outcome.kind !== 'committed') refused.push(each)
    }
    waiting = refused
  }
  return directory
}

async function stateOf (directory: MemoryDirectory): Promise<string> {
  const lines: string[] = []
  for (const realm of ['production', 'test'] as const) for await (const line of directory.export(realm)) lines.push(line)
  return lines.join('\n')
}

t.test('T-45: shuffled, repeated and late messages of every interface end in the same state as ordered ones', async (t) => {
  const arrivals = history.chain((pushes) => fc.record({
    pushes: fc.constant(pushes),
    shuffled: fc.tuple(fc.shuffledSubarray(pushes, { minLength: pushes.length }), fc.shuffledSubarray(pushes)).map((parts) => parts.flat()),
  }))
  let rows = 0
  await fc.assert(fc.asyncProperty(arrivals, async ({ pushes, shuffled }) => {
    const [ordered, other] = [await stateOf(await deliver(pushes)), await stateOf(await deliver(shuffled))]
    rows += ordered.split('\n').length
    t.equal(other, ordered)
  }), { numRuns: 600 })
  t.ok(rows > 2_000, 'the histories leave rows to compare')
})

t.test('C-57, C-60: a message of one tenant, instance or realm changes no row of another', async (t) => {
  const isOfA = (push: PushMessage): boolean =>
    push.realm === 'production' && (push.kind === 'instance' ? push.instanceId === 'one' : push.tenantId === 'tenant-a')
  // A line of an export says whose it is by its key; the order's row names the instance.
  const linesOfB = async (pushes: readonly PushMessage[]): Promise<string> => stateOf(await deliver(pushes.filter((push) => !isOfA(push))))
  await fc.assert(fc.asyncProperty(history, fc.infiniteStream(fc.boolean()), async (pushes, coins) => {
    const without = (await linesOfB(pushes)).split('\n').filter((line) => line !== '')
    const all = new Set((await stateOf(await deliver(pushes))).split('\n'))
    t.same(without.filter((line) => !all.has(line)), [])
    return coins !== undefined
  }), { numRuns: 150 })
})

const head = { kind: 'instance', realm: 'production', instanceId: 'one' as InstanceId } as const
const push = (at: number, change: InstanceChange, more: Partial<InstancePush> = {}): InstancePush =>
  ({ ...head, version: versionAt(at), change, ...more })
const commit = (directory: MemoryDirectory, message: PushMessage) =>
  directory.commit(message, { signatureDigest: `${Math.random()}`, expiresAt: 0 })

t.test('the same order finds the same instance; an id that belongs to another order is not taken over', async (t) => {
  const directory = new MemoryDirectory()
  t.match(await commit(directory, push(1, creation('o1'))), { kind: 'committed', instance: { instanceId: 'one', order: order('o1') } })
  t.match(await commit(directory, push(2, creation('o1'), { instanceId: 'other' as InstanceId })), { instance: { instanceId: 'one' } })
  t.match(await commit(directory, push(3, creation('o2'))), { instance: { instanceId: 'spare-o2', order: order('o2') } })
  t.match(await commit(directory, push(4, creation('o1'), { realm: 'test' })), { instance: { instanceId: 'one' } }, 'the test realm has ids of its own')
  t.equal((await directory.findInstances('production', ['one', 'other', 'spare-o2'] as InstanceId[])).length, 2)
})

t.test('an order extends once, also when its retry comes under a newer signature', async (t) => {
  const directory = new MemoryDirectory()
  await commit(directory, push(1, creation('o1')))
  const renew = (at: number, name: string, expiresAt: number) => commit(directory, push(at, { kind: 'renew', scene: 'RENEWAL', order: order(name), expiresAt }))
  await renew(2, 'r1', 100)
  await renew(3, 'r2', 200)
  await renew(4, 'r1', 100)
  const [instance] = await directory.findInstances('production', ['one' as InstanceId])
  const taken = Object.values(instance?.orders ?? {}).map(({ version, expiresAt }) => [version, expiresAt])
  t.same(taken, [[versionAt(1), undefined], [versionAt(2), 100], [versionAt(3), 200]])
})

t.test('what comes after a release is refused, a repeated release is not; the test realm revives', async (t) => {
  for (const realm of ['production', 'test'] as const) {
    const directory = new MemoryDirectory()
    await commit(directory, push(1, creation('o1'), { realm }))
    for (const at of [5, 6]) t.match(await commit(directory, push(at, { kind: 'release' }, { realm })), { kind: 'committed' })
    const later: InstanceChange[] = [
      { kind: 'status', status: 'normal' }, { kind: 'renew', scene: 'RENEWAL', order: order('r'), expiresAt: 1 }, { kind: 'upgrade', order: order('u'), details: {} },
    ]
    for (const change of later) {
      t.equal((await commit(directory, push(9, change, { realm }))).kind, realm === 'test' ? 'committed' : 'instance-unknown', `${realm} ${change.kind}`)
    }
    t.equal((await commit(directory, push(3, { kind: 'status', status: 'frozen' }, { realm }))).kind, 'committed', 'what is only late is taken')
  }
  t.same(await commit(new MemoryDirectory(), push(1, { kind: 'release' })), { kind: 'instance-unknown' })
})

t.test('the seller\'s system may choose the id until the marketplace was told one', async (t) => {
  const directory = new MemoryDirectory()
  const buyer: Buyer = { customerName: '示例客户' }
  await commit(directory, push(1, creation('o1', { provisioning: 'pending', buyer })))
  const wish = (instanceId: string) => push(2, { kind: 'provision', report: { kind: 'ready', instanceId: instanceId as InstanceId, adminUrl: 'https://admin' } })
  const access = { frontEndUrl: 'https://app', adminUrl: 'https://admin' }
  t.match(await commit(directory, wish('mine')), { instance: { instanceId: 'mine', provisioning: 'ready', buyer, access } })
  t.match(await directory.findInstanceOfOrder('production', order('o1')), { instanceId: 'mine' })
  t.same(await directory.findInstances('production', ['one' as InstanceId]), [])
  await commit(directory, push(3, { kind: 'tell' }, { instanceId: 'mine' as InstanceId }))
  t.match(await commit(directory, { ...wish('another'), instanceId: 'mine' as InstanceId }), { instance: { instanceId: 'mine' } })
})

t.test('a "no" of the seller\'s system counts only while the instance waits', async (t) => {
  const directory = new MemoryDirectory()
  await commit(directory, push(1, creation('o1', { provisioning: 'pending' })))
  const no: InstanceChange = { kind: 'provision', report: { kind: 'refused', reason: 'sold out' } }
  t.match(await commit(directory, push(2, no)), { instance: { provisioning: 'refused', refusal: 'sold out' } })
  const ready = new MemoryDirectory()
  await commit(ready, push(1, creation('o1')))
  t.match(await commit(ready, push(2, no)), { instance: { provisioning: 'ready' } })
})

t.test('events: one for each thing that happens, with one name however often it is told; none in the test realm', async (t) => {
  const { applyPush } = await import('../../src/directory/apply-push.ts')
  const eventsOf = (directory: MemoryDirectory, message: InstancePush) => {
    const effect = applyPush(message, directory)
    return effect.kind === 'changed' ? effect.events.map(({ type }) => type) : [effect.kind]
  }
  const directory = new MemoryDirectory()
  const story: [InstanceChange, string[]][] = [
    [creation('o1'), ['instance.created']],
    [creation('o1'), []],
    [{ kind: 'renew', scene: 'RENEWAL', order: order('r'), expiresAt: 5 }, ['instance.renewed']],
    [{ kind: 'renew', scene: 'RENEWAL', order: order('r'), expiresAt: 5 }, []],
    [{ kind: 'status', status: 'frozen' }, ['instance.frozen']],
    [{ kind: 'status', status: 'frozen' }, []],
    [{ kind: 'status', status: 'normal' }, ['instance.unfrozen']],
    [{ kind: 'status', status: 'expired' }, ['instance.expired']],
    [{ kind: 'upgrade', order: order('u'), details: { amount: '3' } }, ['instance.upgraded']],
    [{ kind: 'release' }, ['instance.released']],
    [{ kind: 'release' }, []],
  ]
  for (const [index, [change, expected]] of story.entries()) {
    t.same(eventsOf(directory, push(index, change)), expected, `${index} ${change.kind}`)
    t.same(eventsOf(directory, push(index, change, { realm: 'test' })).filter((type) => type !== 'instance-unknown'), [])
    await commit(directory, push(index, change))
  }
  const first = applyPush(push(1, creation('o2')), new MemoryDirectory())
  const again = applyPush(push(1, creation('o2')), new MemoryDirectory())
  t.same(first, again)
})

t.test('C-60: nothing in the test realm ends for good or is told to anybody: saved cases come daily, in any order', async (t) => {
  const { applyPush } = await import('../../src/directory/apply-push.ts')
  const directory = new MemoryDirectory()
  const realm = 'test'
  await commit(directory, push(0, creation('o1'), { realm }))
  const again: InstanceChange[] = [
    creation('o1'),
    { kind: 'renew', scene: 'RENEWAL', order: order('r'), expiresAt: 5 },
    { kind: 'upgrade', order: order('u'), details: {} },
    { kind: 'status', status: 'frozen' },
    { kind: 'status', status: 'normal' },
    { kind: 'status', status: 'expired' },
  ]
  for (const [index, change] of again.entries()) {
    const release = push(2 * index + 1, { kind: 'release' }, { realm })
    const effect = applyPush(release, directory)
    t.match(effect, { kind: 'changed', events: [], writes: [{ kind: 'instance' }] })
    t.equal(effect.kind === 'changed' && effect.writes.length, 1, 'nothing is planned to be erased')
    t.match(await commit(directory, release), { instance: { released: release.version } })
    t.match(await commit(directory, push(2 * index + 2, change, { realm })), { kind: 'committed', instance: { released: '' } }, change.kind)
  }
})
