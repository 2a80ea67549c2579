import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { InstanceId, TenantId, UserName } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import type { FlowRef } from '../../src/session/login-flow.ts'
import type { SessionRef } from '../../src/session/session.ts'
import type { CopyEnd } from '../../src/storage/copy/copy-end.ts'
import { copyStorage, type CopyOutcome, type CopyStep } from '../../src/storage/copy/copy-storage.ts'
import { canonicalLine } from '../../src/storage/canonical-lines.ts'
import { guardStorage } from '../../src/storage/guard-storage.ts'
import { openLmdbCopyEnd } from '../../src/storage/lmdb/lmdb-copy-end.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import type { MoveState } from '../../src/storage/move-state.ts'
import { openRedisStorage } from '../../src/storage/redis/open-redis-storage.ts'
import { openRedisCopyEnd } from '../../src/storage/redis/copy/redis-copy-end.ts'
import type { RedisConnection } from '../../src/storage/redis/connection/redis-connection.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { anyConfirmation, anyFlow } from '../contracts/login-flow-store.ts'
import { anyRecord } from '../contracts/push-log.ts'
import { anySigningKey } from '../contracts/signing-key-store.ts'
import { anySession } from '../support/any-session.ts'
import { accountsPush, applicationPush, departmentsPush, tenantId, tenantPush, userName, versionAt } from '../support/directory-pushes.ts'
import { createPush, readyPush, releasePush } from '../support/instance-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openRedisConnection, openRedisServer } from '../support/redis-server.ts'

const server = await openRedisServer(t)
const box = new SealedBox([Buffer.alloc(32, 1)])
const moved = { code: 'GW_STORAGE_MOVED', statusCode: 503 }

function newFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-copy-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/** A store, and itself as an end of a copy, as another process would open it. */
interface Place { readonly storage: Storage, readonly end: CopyEnd, readonly clock: ManualClock }

function openLmdb (t: Test): Place {
  const folder = newFolder(t)
  const clock = new ManualClock()
  const storage = openLmdbStorage(folder, box, clock)
  const end = openLmdbCopyEnd(folder, box, clock)
  t.teardown(async () => { await end.close() })
  return { storage, end, clock }
}

function openRedis (t: Test, more: Partial<RedisConnection> = {}): Place {
  const connection = { ...openRedisConnection(t, server), ...more }
  const clock = new ManualClock()
  return { storage: openRedisStorage(connection, box, clock), end: openRedisCopyEnd(connection, box, clock), clock }
}

const places = { LMDB: openLmdb, Redis: openRedis }

async function copy (
  { end: source, clock }: Place, { end: target }: Place, onStep: (step: CopyStep) => Promise<void> | void = () => {},
): Promise<CopyOutcome> {
  let underWay: Promise<void> | void
  return copyStorage({
    source,
    target,
    clock,
    wait: async (milliseconds) => {
      clock.advance(milliseconds)
      await underWay
    },
    onStep: (step) => { underWay = onStep(step) },
  })
}

/** What a store holds, to be compared; secrets in clear. */
async function contentsOf ({ end }: Place): Promise<string[]> {
  const things: string[] = []
  for await (const { kind, key, value } of end.dump()) things.push(canonicalLine([kind, ...key], value))
  return things.sort()
}

const purchase = 'purchase-1' as InstanceId
const receipt = (signatureDigest: string, answer?: string) =>
  ({ signatureDigest, expiresAt: 9_000_000, ...(answer !== undefined && { answer }), record: anyRecord({ interface: signatureDigest }) })

/** Something of everything. */
async function populate ({ directory, sessions, flows, signingKeys, keyUsage, erasures, pushLog }: Storage): Promise<void> {
  await directory.commit(createPush(purchase, 0, { provisioning: 'pending' }), receipt('creation'))
  await directory.commit(readyPush(purchase, 1))
  await directory.commit(tenantPush(1), receipt('tenant', 'answer-1'))
  await directory.commit(applicationPush(1), receipt('application', 'answer-2'))
  await directory.commit(accountsPush(1, { accounts: ['a', 'b', userName].map((name) => ({ userName: name as UserName, name, details: { mobile: '1' } })) }), receipt('accounts', 'answer-3'))
  await directory.commit(departmentsPush(1, { change: 'replace' }), receipt('departments', 'answer-4'))
  await directory.commit(tenantPush(1, { realm: 'test', tenantId: 'tenant-2' as TenantId }), receipt('test', 'answer-5'))
  await directory.commit(accountsPush(5, { change: 'delete' }), receipt('leaver', 'answer-6'))
  const [planned] = await erasures.listDue(versionAt(9), 1)
  if (planned !== undefined) await erasures.erase(planned)
  await erasures.keepReceipt({ erasedAt: 5, token: 'signed' }, 9)
  await directory.commit(accountsPush(6, { change: 'delete', accounts: [{ userName: 'a' as UserName, details: {} }] }), receipt('leaver 2', 'answer-7'))
  await directory.commit(releasePush('purchase-2', 1), receipt('release', 'answer-8'))
  await directory.keepAnswer('creation', 9_000_000, 'answer-0')
  await pushLog.append(anyRecord({ content: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) }))
  await sessions.create(anySession({ ref: 'session-1' as SessionRef }))
  await sessions.create(anySession({ ref: 'session-2' as SessionRef, tenantId: 'tenant-2' as TenantId, revision: 7 }))
  await flows.saveFlow(anyFlow('flow'))
  await flows.saveConfirmation(anyConfirmation('confirmation'))
  await flows.claimCode('code', 9_000_000)
  await signingKeys.save(anySigningKey('kid-1'))
  await signingKeys.save(anySigningKey('kid-2', 'kid-1'))
  await signingKeys.replace({ ...anySigningKey('kid-1'), isEnded: true })
  await keyUsage.see('kit', ['fingerprint'], 5)
  await keyUsage.use('kit', 'fingerprint', 6)
}

const kinds = [
  'row', 'receipt', 'answer', 'event', 'push', 'counter', 'plan', 'unsigned', 'erasure-receipt', 'key-usage', 'signing-key', 'session', 'flow', 'confirmation', 'code',
]

for (const [from, openFrom] of Object.entries(places)) {
  for (const [to, openTo] of Object.entries(places)) {
    t.test(`${from} to ${to}: everything arrives, and the new store goes on where the old one stood`, async (t) => {
      const [source, target] = [openFrom(t), openTo(t)]
      await populate(source.storage)
      const before = await contentsOf(source)
      const outcome = await copy(source, target)
      t.match(outcome, { kind: 'copied', verification: { isEqual: true, differing: [] } })
      if (outcome.kind === 'copied') t.same(Object.keys(outcome.verification.counts).sort(), [...kinds].sort(), 'something of each kind')
      t.strictSame(await contentsOf(target), before)

      const { directory, sessions, flows, pushLog, outbox, signingKeys } = target.storage
      target.clock.advance(1_000)
      t.same(await directory.commit(createPush(purchase, 9), receipt('creation')), { kind: 'repeated', answer: 'answer-0' })
      t.equal(await directory.findAnswer('tenant'), 'answer-1', 'a repeated push is answered as the first')
      t.equal(await sessions.replace({ ...anySession({ ref: 'session-2' as SessionRef, tenantId: 'tenant-2' as TenantId }), revision: 8 }), true)
      t.equal(await flows.claimCode('code', 9_000_000), false, 'a spent code stays spent')
      t.match(await signingKeys.list(), [{ kid: 'kid-1', isEnded: true }, { kid: 'kid-2', isEnded: false }])
      t.same(await signingKeys.save(anySigningKey('other', 'kid-1')), false)
      const { last = 0 } = await pushLog.range() ?? {}
      const sequence = Math.max(...(await outbox.list()).map((entry) => entry.sequence))
      await directory.commit(createPush('purchase-3', 5, { provisioning: 'pending' }), receipt('next'))
      t.equal((await pushLog.range())?.last, last + 1, 'numbers go on')
      t.ok(Math.max(...(await outbox.list()).map((entry) => entry.sequence)) > sequence)
      await directory.commit(tenantPush(8, { change: 'delete' }))
      t.match(await target.storage.erasures.listDue(versionAt(9), 9), [{ scope: { kind: 'account' } }, { scope: { kind: 'tenant' } }])
    })
  }
}

t.test('a second pass writes what has changed and takes away what is no longer there', async (t) => {
  const [source, target] = [openLmdb(t), openRedis(t)]
  await populate(source.storage)
  const reports: CopyStep[] = []
  const outcome = await copy(source, target, async (step) => {
    reports.push(step)
    if (step.kind !== 'closing') return
    // Beside the copy, while the source still takes everything in.
    const { sessions, flows, directory, pushLog, outbox } = source.storage
    await sessions.end('session-1' as SessionRef)
    await sessions.create(anySession({ ref: 'session-3' as SessionRef }))
    await flows.consumeFlow('flow' as FlowRef)
    await pushLog.sweep(0, 20)
    for (const { sequence } of await outbox.list()) await outbox.remove(sequence)
    await directory.commit(tenantPush(7, { name: 'Renamed' }), receipt('late'))
  })
  t.match(outcome, { kind: 'copied' })
  t.equal(await target.storage.sessions.find('session-1' as SessionRef), undefined, 'an ended session does not live on')
  t.ok(await target.storage.sessions.find('session-3' as SessionRef))
  t.equal(await target.storage.flows.findFlow('flow' as FlowRef), undefined)
  t.same(await target.storage.outbox.list(), [], 'nobody is told twice')
  t.same(await contentsOf(target), await contentsOf(source))
  const passes = reports.flatMap((step) => step.kind === 'pass' ? [step.report] : [])
  t.match(passes[0], { removed: 0 })
  t.ok((passes[1]?.removed ?? 0) >= 4 && (passes[1]?.written ?? 99) < (passes[0]?.written ?? 0), 'only the differences')
})

t.test('whatever a directory has become by pushes in any order, it comes over to Redis and back as it was', { timeout: 60_000 }, async (t) => {
  const tenants = ['tenant-1', 'tenant-2', 'tenant:{3}'] as TenantId[]
  const instances = ['instance-1', 'i:{2}', ''] as InstanceId[]
  const names = ['zhangsan', 'wáng', '李四 %', 'a:b'] as UserName[]
  const where = fc.record({ tenantId: fc.constantFrom(...tenants), instanceId: fc.constantFrom(...instances), realm: fc.constantFrom('production' as const, 'test' as const) })
  const at = fc.integer({ min: 1, max: 50 })
  const change = fc.constantFrom('add' as const, 'modify' as const, 'delete' as const)
  const accounts = fc.uniqueArray(fc.constantFrom(...names), { maxLength: 4 })
  const push: fc.Arbitrary<PushMessage> = fc.oneof(
    fc.tuple(at, where, change).map(([at, where, change]) => tenantPush(at, { ...where, change })),
    fc.tuple(at, where).map(([at, where]) => applicationPush(at, where)),
    fc.tuple(at, where, change, accounts).map(([at, where, change, some]) =>
      accountsPush(at, { ...where, change, accounts: some.map((userName) => ({ userName, name: userName, details: {} })) })),
    fc.tuple(at, where, fc.constantFrom('add' as const, 'replace' as const)).map(([at, where, change]) => departmentsPush(at, { ...where, change })),
    fc.tuple(at, fc.constantFrom('i:{2}', 'instance-1')).map(([at, instance]) => createPush(instance, at)),
    fc.tuple(at, fc.constantFrom('i:{2}', 'instance-1')).map(([at, instance]) => releasePush(instance as InstanceId, at)),
  )
  await fc.assert(fc.asyncProperty(fc.array(push, { maxLength: 25 }), async (pushes) => {
    await t.test('once', async (t) => {
      const [first, between, last] = [openLmdb(t), openRedis(t), openLmdb(t)]
      for (const [index, push] of pushes.entries()) await first.storage.directory.commit(push, receipt(`push ${index}`, 'answer'))
      const before = await contentsOf(first)
      t.match(await copy(first, between), { kind: 'copied' })
      t.match(await copy(between, last), { kind: 'copied' })
      t.strictSame(await contentsOf(last), before)
    })
  }), { numRuns: 12 })
})

for (const [name, open] of Object.entries(places)) {
  t.test(`${name}: sealed off, it refuses what would be acknowledged and goes on reading; released, it takes everything in`, async (t) => {
    const { storage, end, clock } = open(t)
    await populate(storage)
    const { directory, sessions, flows, outbox, pushLog, erasures, keyUsage, signingKeys, leases, rateLimits } = storage
    await end.writeState('moved')
    clock.advance(500)
    const session = anySession({ ref: 'session-1' as SessionRef })
    const writes: Record<string, () => Promise<unknown>> = {
      commit: () => directory.commit(tenantPush(7), receipt('sealed')),
      keepAnswer: () => directory.keepAnswer('sealed', 9, 'x'),
      'directory.sweep': () => directory.sweep(1),
      postpone: () => outbox.postpone(1, 1, 1),
      remove: () => outbox.remove(1),
      append: () => pushLog.append(anyRecord()),
      'pushLog.sweep': () => pushLog.sweep(0, 0),
      erase: () => erasures.erase({ scope: { kind: 'instance', instanceId: purchase }, version: versionAt(5) }),
      keepReceipt: () => erasures.keepReceipt({ erasedAt: 5, token: 'x' }, 1),
      see: () => keyUsage.see('kit', ['x'], 5),
      use: () => keyUsage.use('kit', 'x', 5),
      create: () => sessions.create(anySession()),
      replace: () => sessions.replace({ ...session, revision: 2 }),
      end: () => sessions.end(session.ref),
      'sessions.sweep': () => sessions.sweep(9e15, 9e15),
      saveFlow: () => flows.saveFlow(anyFlow('x')),
      consumeFlow: () => flows.consumeFlow('flow' as FlowRef),
      saveConfirmation: () => flows.saveConfirmation(anyConfirmation('x')),
      consumeConfirmation: () => flows.consumeConfirmation('confirmation' as FlowRef),
      claimCode: () => flows.claimCode('x', 5),
      'flows.sweep': () => flows.sweep(5),
      saveKey: () => signingKeys.save(anySigningKey('x')),
      replaceKey: () => signingKeys.replace(anySigningKey('x')),
    }
    const before = await contentsOf({ storage, end, clock })
    for (const [name, write] of Object.entries(writes)) await t.rejects(write(), moved, name)
    t.strictSame(await contentsOf({ storage, end, clock }), before, 'nothing was done')
    t.match(await sessions.find(session.ref), { ref: session.ref })
    t.match(await directory.viewTenant('production', tenantId, 'app-1' as never), { tenants: [{ name: 'Acme' }] })
    t.equal(await leases.acquire('tidy', 'me', clock.now(), 5), true)
    t.equal(await rateLimits.count('somebody', clock.now(), 1_000), 1)

    await end.writeState(undefined)
    clock.advance(500)
    t.match(await directory.commit(tenantPush(7), receipt('sealed')), { kind: 'committed' }, 'not taken for a repeat')
  })

  t.test(`${name}: before it is sealed off no renewal begins, and those under way can end; all else goes on`, async (t) => {
    const [source, target] = [open(t), openRedis(t)]
    const { storage: { sessions }, clock } = source
    const session = anySession({ ref: 'renewing' as SessionRef })
    const underWay = { failures: 0, isInDoubt: false, underWay: { holder: 'me', until: clock.now() + 20_000 } }
    await sessions.create(session)
    await sessions.create(anySession({ ref: 'other' as SessionRef }))
    await sessions.replace({ ...session, renewalAttempts: underWay, revision: 2 })
    const seen: number[] = []
    const outcome = await copy(source, target, async (step) => {
      if (step.kind === 'pass') seen.push(step.report.renewalsUnderWay)
      if (step.kind !== 'pass' || seen.length !== 2) return
      await t.rejects(sessions.replace({ ...anySession({ ref: 'other' as SessionRef }), renewalAttempts: underWay, revision: 2 }), moved)
      t.equal(await sessions.replace({ ...anySession({ ref: 'other' as SessionRef }), lastSeenAt: 1_000_001, revision: 2 }), true)
      t.equal(await sessions.replace({ ...session, tokens: { ...session.tokens, accessToken: 'successor' }, revision: 3 }), true)
    })
    t.match(outcome, { kind: 'copied' })
    t.same(seen, [1, 1, 0, 0], 'the copy has waited')
    t.match(await target.storage.sessions.find(session.ref), { tokens: { accessToken: 'successor' }, revision: 3 })
    t.match(await target.storage.sessions.find('other' as SessionRef), { lastSeenAt: 1_000_001 })
  })
}

t.test('what was under way when the store was sealed off is not acknowledged, though it was done', async (t) => {
  const { storage } = openLmdb(t)
  let state: MoveState
  const guarded = guardStorage({
    ...storage,
    sessions: { ...storage.sessions, async create (session) { await storage.sessions.create(session); state = 'moved' } },
  }, () => state)
  const session = anySession()
  await t.rejects(guarded.sessions.create(session), moved)
  t.ok(await storage.sessions.find(session.ref))
})

t.test('Redis: a look that took too long says nothing; each gateway looks twice a second at most', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock()
  const end = openRedisCopyEnd(connection, box, clock)
  let [looks, delayMs] = [0, 0]
  const slow = new Proxy(connection.reads, {
    get: (reads, name) => {
      const member = Reflect.get(reads, name) as unknown
      if (name !== 'get') return typeof member === 'function' ? member.bind(reads) as unknown : member
      return async (key: string) => {
        const value = await reads.get(key)
        if (key.endsWith(':move-state')) {
          looks++
          clock.advance(delayMs)
          await end.writeState(delayMs === 0 ? undefined : 'moved')
          delayMs = 0
        }
        return value
      }
    },
  })
  const storage = openRedisStorage({ ...connection, reads: slow }, box, clock)
  for (let at = 0; at < 5; at++) await storage.keyUsage.see('kit', [`${at}`], 5)
  t.equal(looks, 1)
  clock.advance(500)
  delayMs = 600
  await t.rejects(storage.keyUsage.see('kit', ['late'], 5), moved)
  t.equal(looks, 3)
})

t.test('a target that is in use is left alone; one that a copy was broken off on is gone on with', async (t) => {
  const [source, target] = [openLmdb(t), openRedis(t)]
  await populate(source.storage)
  await target.storage.sessions.create(anySession())
  const before = await contentsOf(target)
  t.same(await copy(source, target), { kind: 'target-in-use' })
  t.strictSame(await contentsOf(target), before)
  t.equal(await source.end.readState(), undefined)

  const other = openRedis(t)
  await t.rejects(copy(source, other, (step) => { if (step.kind === 'sealed-off') throw new Error('broken off') }), /broken off/)
  t.equal(await source.end.readState(), undefined, 'the source counts on')
  source.clock.advance(500)
  t.match(await source.storage.directory.commit(tenantPush(7), receipt('after')), { kind: 'committed' })
  await t.rejects(other.storage.sessions.create(anySession()), moved, 'no gateway writes into half a copy')
  t.match(await copy(source, other), { kind: 'copied' })
  t.strictSame(await contentsOf(other), await contentsOf(source))
})

t.test('a target that has not kept what was written is not gone over to', async (t) => {
  const [source, target] = [openLmdb(t), openRedis(t)]
  await populate(source.storage)
  const forgetful: Place = { ...target, end: { ...target.end, write: (changes) => target.end.write(changes.filter(({ kind }) => kind !== 'session')) } }
  t.match(await copy(source, forgetful), { kind: 'different', verification: { isEqual: false, differing: ['session'] } })
  t.equal(await source.end.readState(), undefined)
  t.equal(await target.end.readState(), 'moved')
})
