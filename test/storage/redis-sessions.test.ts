import t, { type Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { UserName } from '../../src/directory/model.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import type { RedisConnection } from '../../src/storage/redis/connection/redis-connection.ts'
import { openRedisChanges } from '../../src/storage/redis/redis-changes.ts'
import { openRedisLeaseStore } from '../../src/storage/redis/redis-lease-store.ts'
import { openRedisLoginFlowStore } from '../../src/storage/redis/session/redis-login-flow-store.ts'
import { openRedisRateLimitStore } from '../../src/storage/redis/redis-rate-limit-store.ts'
import { openRedisSessionStore } from '../../src/storage/redis/session/redis-session-store.ts'
import { createSessionMemory, type ReadSession } from '../../src/storage/redis/session/session-memory.ts'
import { testLeaseStore } from '../contracts/lease-store.ts'
import { anyConfirmation, anyFlow, testLoginFlowStore } from '../contracts/login-flow-store.ts'
import { testRateLimitStore } from '../contracts/rate-limit-store.ts'
import { refsOf, testSessionStore } from '../contracts/session-store.ts'
import { anySession } from '../support/any-session.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openRedisConnection, openRedisServer } from '../support/redis-server.ts'
import { until } from '../support/signed-in.ts'

const server = await openRedisServer(t)
const keyOf = (byte: number): Buffer => Buffer.alloc(32, byte)
const openStore = (connection: RedisConnection, clock = new ManualClock(1_000), keys = [keyOf(1)]) =>
  openRedisSessionStore(connection, new SealedBox(keys), openRedisChanges(connection), clock)

t.test('Redis as SessionStore', async (t) => { testSessionStore(t, async (t: Test) => openStore(openRedisConnection(t, server))) })
t.test('Redis as LoginFlowStore', async (t) => {
  const box = new SealedBox([keyOf(1)])
  testLoginFlowStore(t, async (t: Test) => openRedisLoginFlowStore(openRedisConnection(t, server), box, new ManualClock(1_000)))
})
t.test('Redis as LeaseStore', async (t) => { testLeaseStore(t, async (t: Test) => openRedisLeaseStore(openRedisConnection(t, server))) })
t.test('Redis as RateLimitStore', async (t) => { testRateLimitStore(t, async (t: Test) => openRedisRateLimitStore(openRedisConnection(t, server))) })

/** A second gateway on the same store, with connections of its own. */
function openBeside (t: Test, connection: RedisConnection): RedisConnection {
  const other = openRedisConnection(t, server)
  return { ...other, keys: connection.keys }
}

/** Its subscription stands, and nothing ever comes. */
const openDeaf = (connection: RedisConnection, clock: ManualClock) => openRedisSessionStore(
  connection, new SealedBox([keyOf(1)]), openRedisChanges({ ...connection, keys: { ...connection.keys, channel: 'nobody' } }), clock,
)

t.test('T-13, C-26: an end at one gateway is heard by the other one at once', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock(1_000)
  const [here, there] = [openStore(connection, clock), openStore(openBeside(t, connection), clock)]
  const session = anySession()
  await here.create(session)
  // From memory: the same object without a question is the next case's.
  t.strictSame(await there.find(session.ref), session)
  await here.end(session.ref)
  await until(async () => await there.find(session.ref) === undefined)
  t.equal(clock.now(), 1_000, 'by the notification: no time has passed')

  const renewed = anySession()
  await here.create(renewed)
  await there.find(renewed.ref)
  await here.replace({ ...renewed, clientId: 'client-2', revision: 2 })
  await until(async () => (await there.find(renewed.ref))?.clientId === 'client-2')
})

t.test('C-26: with every notification lost an end is seen within half a second, and a clock that was put back makes nothing young', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock(1_000)
  const here = openStore(connection, clock)
  const deaf = openDeaf(openBeside(t, connection), clock)
  const [session, other] = [anySession(), anySession()]
  for (const each of [session, other]) await here.create(each)
  const questions = () => countCalls(connection, 'hget')

  await until(async () => {
    await deaf.find(session.ref)
    const before = await questions()
    await deaf.find(session.ref)
    return await questions() === before
  })
  const found = await deaf.find(session.ref)
  t.strictSame(found, session)
  await deaf.find(other.ref)
  await here.end(session.ref)
  clock.advance(499)
  t.equal(await deaf.find(session.ref), found, 'answered from memory')
  clock.advance(1)
  t.equal(await deaf.find(session.ref), undefined)

  await here.end(other.ref)
  clock.set(0)
  t.equal(await deaf.find(other.ref), undefined)
})

t.test('C-26: without a subscription nothing is answered from memory', async (t) => {
  const connection = openRedisConnection(t, server)
  const beside = openBeside(t, connection)
  const [here, there] = [openStore(connection), openStore(beside)]
  const session = anySession()
  await here.create(session)
  await there.find(session.ref)
  beside.subscriber.disconnect()
  await until(() => beside.subscriber.status === 'end')
  await there.find(session.ref)
  await here.end(session.ref)
  t.equal(await there.find(session.ref), undefined)
})

t.test('T-13: what this gateway wrote itself, or failed to write, is never answered from before', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock(1_000)
  const [deaf, other] = [openDeaf(connection, clock), openDeaf(openBeside(t, connection), clock)]
  const session = anySession()
  await deaf.create(session)
  await deaf.find(session.ref)
  await deaf.replace({ ...session, clientId: 'client-2', revision: 2 })
  t.equal((await deaf.find(session.ref))?.clientId, 'client-2')
  await other.replace({ ...session, clientId: 'client-3', revision: 3 })
  t.equal(await deaf.replace({ ...session, clientId: 'client-4', revision: 3 }), false)
  t.equal((await deaf.find(session.ref))?.clientId, 'client-3', 'who lost looks at the store')
  await deaf.end(session.ref)
  t.equal(await deaf.find(session.ref), undefined)
})

t.test('T-13: a read that began before a change was told is not kept, and nobody who asks afterwards gets it', async (t) => {
  const changes = { ...createChangeFeed(), isListening: true }
  const memory = createSessionMemory(changes, new ManualClock())
  const session = anySession()
  const old: ReadSession = { bytes: Buffer.from('old'), session }
  for (const change of [{ kind: 'session', ref: session.ref }, { kind: 'anything' }] as const) {
    let answer: (read: ReadSession) => void = () => {}
    const slow = memory.find(session.ref, () => new Promise((resolve) => { answer = resolve }))
    const shared = memory.find(session.ref, () => Promise.reject(new Error('asked twice')))
    changes.tell(change)
    const after = memory.find(session.ref, async () => undefined)
    answer(old)
    t.equal(await slow, session)
    t.equal(await shared, session)
    t.equal(await after, undefined)
    t.equal(await memory.find(session.ref, async () => undefined), undefined)
  }
  await t.rejects(memory.find(session.ref, () => Promise.reject(new Error('down'))), { message: 'down' })
  t.equal(await memory.find(session.ref, async () => old), session, 'a failure is nobody else\'s answer')
})

/** How often the server was asked this since it started. */
async function countCalls ({ reads }: RedisConnection, command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await reads.info('commandstats'))?.[1] ?? 0)
}

/** Every key of the store with all that lies in it; only a test may ask so. */
async function dump (connection: RedisConnection): Promise<Buffer> {
  const found = await connection.reads.keys(`${connection.keys.channel.split(':')[0] ?? ''}:*`)
  const values = await Promise.all(found.map((key) => connection.reads.dumpBuffer(key)))
  return Buffer.concat([...found.map((key) => Buffer.from(key)), ...values])
}

t.test('C-33: sealed at rest, under a context of its own; the new key seals, the old one opens', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock(1_000)
  const open = (...keys: Buffer[]) => ({
    sessions: openStore(connection, clock, keys), flows: openRedisLoginFlowStore(connection, new SealedBox(keys), clock),
  })
  const session = anySession({ userName: 'CANARY-USER' as UserName, tokens: { accessToken: 'CANARY-ACCESS', expiresAt: 5 } })
  const flow = { ...anyFlow('flow'), returnTo: '/CANARY-RETURN' }
  const confirmation = { ...anyConfirmation('confirmation'), clientId: 'CANARY-CLIENT' }
  const before = open(keyOf(1))
  await before.sessions.create(session)
  await before.flows.saveFlow(flow)
  await before.flows.saveConfirmation(confirmation)
  const bytes = await dump(connection)
  t.ok(bytes.includes(session.ref), 'what is not sealed is found this way')
  for (const canary of ['CANARY', 'accessToken', '"returnTo"', 'knownLoss']) t.notOk(bytes.includes(canary), canary)

  const rotated = open(keyOf(2), keyOf(1))
  t.strictSame(await rotated.sessions.find(session.ref), session)
  t.strictSame(await rotated.flows.findFlow(flow.ref), flow, 'T-37')
  t.strictSame(await rotated.flows.findConfirmation(confirmation.ref), confirmation, 'T-37')
  const corrupt = { code: 'GW_STORAGE_CORRUPT' }
  await t.rejects(open(keyOf(2)).sessions.find(session.ref), corrupt, 'C-35: not "there is none"')
  await t.rejects(open(keyOf(2)).flows.consumeFlow(flow.ref), corrupt)
  await t.rejects(refsOf(open(keyOf(2)).sessions.list({ kind: 'all' })), corrupt)
  await rotated.sessions.replace({ ...session, lastSeenAt: 2_000_000, revision: 2 })
  t.match(await open(keyOf(2)).sessions.find(session.ref), { userName: session.userName }, 'touched once, it needs the new key only')

  await connection.reads.copy(connection.keys.session(session.ref), connection.keys.session('moved' as SessionRef))
  await t.rejects(rotated.sessions.find('moved' as SessionRef), corrupt)
  t.equal(await rotated.flows.findFlow(confirmation.ref), undefined)
})

t.test('a sweep looks only at what may be over, and tidies up behind a gateway that died between two writes', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock(1_000_000)
  const store = openStore(connection, clock)
  const looks = () => countCalls(connection, 'hmget')
  const fresh = Array.from({ length: 100 }, () => anySession({ lastSeenAt: 900_000 }))
  const idle = anySession({ lastSeenAt: 100_000 })
  for (const session of [...fresh, idle]) await store.create(session)
  const before = await looks()
  t.equal(await store.sweep(1_000_000, 500_000), 1)
  t.equal(await looks() - before, 1)

  // The entry is written ahead of its session; then the gateway died.
  const [old, young] = [anySession({ lastSeenAt: 200_000 }), anySession({ lastSeenAt: 999_000 })]
  for (const session of [old, young]) {
    await store.create(session)
    await connection.reads.del(connection.keys.session(session.ref))
  }
  t.equal((await refsOf(store.list({ kind: 'all' }))).length, fresh.length, 'what is not there is not listed')
  t.equal(await store.sweep(1_000_000, 500_000), 0)
  t.equal(await store.sweep(1_000_000, 999_500), fresh.length, 'those idle now')
  const index = (await dump(connection)).toString('latin1')
  t.notOk(index.includes(old.ref))
  t.ok(index.includes(young.ref), 'a session may be on its way to an entry as young as this')
})

t.test('the native expiry is a belt: at least an hour after the end', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock(1_000)
  const store = openStore(connection, clock)
  const session: Session = anySession({ endsAt: 101_000 })
  await store.create(session)
  const remaining = await connection.reads.pttl(connection.keys.session(session.ref))
  t.ok(remaining > 3_600_000 && remaining <= 3_700_000, String(remaining))
  clock.advance(50_000)
  await store.replace({ ...session, revision: 2 })
  t.ok(await connection.reads.pttl(connection.keys.session(session.ref)) <= 3_650_000)
  const flows = openRedisLoginFlowStore(connection, new SealedBox([keyOf(1)]), clock)
  await flows.saveFlow(anyFlow('a', 60_000))
  await flows.claimCode('code', 60_000)
  const rows = await connection.reads.keys(`${connection.keys.channel.split(':')[0] ?? ''}:{f:*:row:*`)
  t.equal(rows.length, 2)
  for (const key of rows) t.ok(await connection.reads.pttl(key) > 3_600_000, key)
})

t.test('C-35: with the server gone every operation rejects with GW_STORAGE_UNAVAILABLE', async (t) => {
  const ownServer = await openRedisServer(t)
  const connection = openRedisConnection(t, ownServer)
  for (const client of [connection.reads, connection.subscriber]) client.on('error', () => undefined)
  const sessions = openStore(connection)
  const flows = openRedisLoginFlowStore(connection, new SealedBox([keyOf(1)]), new ManualClock())
  const session = anySession()
  await sessions.create(session)
  await ownServer.kill()
  const leases = openRedisLeaseStore(connection)
  const limits = openRedisRateLimitStore(connection)
  const operations: Record<string, () => Promise<unknown>> = {
    find: () => sessions.find(session.ref),
    create: () => sessions.create(anySession()),
    replace: () => sessions.replace({ ...session, revision: 2 }),
    end: () => sessions.end(session.ref),
    list: () => refsOf(sessions.list({ kind: 'all' })),
    'list of a user': () => refsOf(sessions.list({ kind: 'user', ...session })),
    sweep: () => sessions.sweep(1, 1),
    saveFlow: () => flows.saveFlow(anyFlow('a')),
    findFlow: () => flows.findFlow(anyFlow('a').ref),
    consumeFlow: () => flows.consumeFlow(anyFlow('a').ref),
    saveConfirmation: () => flows.saveConfirmation(anyConfirmation('a')),
    consumeConfirmation: () => flows.consumeConfirmation(anyFlow('a').ref),
    claimCode: () => flows.claimCode('code', 9),
    isClaimed: () => flows.isClaimed('code'),
    'flows.sweep': () => flows.sweep(9),
    acquire: () => leases.acquire('a', 'one', 1, 1),
    release: () => leases.release('a', 'one'),
    'leases.sweep': () => leases.sweep(1),
    count: () => limits.count('a', 1, 1),
    'limits.sweep': () => limits.sweep(1),
  }
  await Promise.all(Object.entries(operations).map(([name, run]) => t.rejects(run(), { code: 'GW_STORAGE_UNAVAILABLE' }, name)))
})
