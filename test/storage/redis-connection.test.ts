import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { codeOf } from '../../src/base/coded-errors.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { DirectoryStore } from '../../src/directory/directory-store.ts'
import { openRedisStorage } from '../../src/storage/redis/open-redis-storage.ts'
import { describeError } from '../../src/telemetry/describe-error.ts'
import { judgeDurability, type DurabilityWord, type ServerFacts } from '../../src/storage/redis/connection/judge-durability.ts'
import { openRedisConnection, type OpenedRedis } from '../../src/storage/redis/connection/open-redis-connection.ts'
import type { RedisConnection } from '../../src/storage/redis/connection/redis-connection.ts'
import type { RedisSettings } from '../../src/storage/redis/connection/redis-settings.ts'
import type { SessionStore } from '../../src/session/session-store.ts'
import { anySession } from '../support/any-session.ts'
import { tenantPush } from '../support/directory-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { failure, setting } from '../support/redis-deeds.ts'
import { eventually, openRedisServer, openTlsRedisServer, redisSettings } from '../support/redis-server.ts'

interface Opened { readonly opened: OpenedRedis, readonly events: string[] }

async function open (t: Pick<Test, 'teardown'>, settings: RedisSettings, dangerouslyAllowLoss = false): Promise<Opened> {
  const events: string[] = []
  const onEvent = (level: string, event: string, line: string): void => { events.push(`${level} ${event} ${line}`) }
  const opened = await openRedisConnection(settings, { dangerouslyAllowLoss, onEvent })
  if (opened.kind === 'open') t.teardown(() => opened.connection.close())
  return { opened, events }
}

async function connect (t: Pick<Test, 'teardown'>, settings: RedisSettings): Promise<{ connection: RedisConnection, events: string[] }> {
  const { opened, events } = await open(t, settings)
  if (opened.kind !== 'open') throw new Error(JSON.stringify(opened.findings))
  return { connection: opened.connection, events }
}

t.test('a batch is done whole, or a guard says which it was', async (t) => {
  const { connection } = await connect(t, redisSettings((await openRedisServer(t)).url))
  const { keys, reads } = connection
  const key = keys.own('x')
  t.equal(await connection.commit(setting(key, '1')), 0)
  const guarded = setting(key, '2')
  guarded.expect(keys.own('none'), '')
  guarded.expect(key, 'other')
  t.equal(await connection.commit(guarded), 2)
  t.equal(await reads.get(key), '1')
  t.equal(await connection.commitLoosely(setting(key, '3')), 0)
  t.equal(await reads.get(key), '3')
  await connection.settle(key)
  t.match(key, /^jointgate:\{/)
})

t.test('database and prefix are those of the address', async (t) => {
  const server = await openRedisServer(t)
  const { connection } = await connect(t, redisSettings(`${server.url}/3?prefix=shop`))
  await connection.commit(setting(connection.keys.own('x'), '1'))
  const other = new Redis({ port: server.port, host: '127.0.0.1', db: 3 })
  t.teardown(() => { other.disconnect() })
  t.same(await other.keys('*'), ['shop:{market}:x'])
})

t.test('TLS: the certificate is verified, by the authority that is named', async (t) => {
  const authorities = readFileSync(new URL('../fixtures/tls/authority.pem', import.meta.url), 'utf8')
  const server = await openTlsRedisServer(t, 'localhost')
  const { connection } = await connect(t, redisSettings(server.tlsUrl, { authorities }))
  t.equal(await connection.commit(setting(connection.keys.own('x'), '1')), 0)
  t.equal(await connection.reads.get(connection.keys.own('x')), '1')
  await t.rejects(open(t, redisSettings(server.tlsUrl)), { code: 'GW_STORAGE_UNAVAILABLE', cause: { message: /certificate/ } }, 'an authority that nobody named')
  for (const certificate of ['wrong-name', 'expired', 'self-signed']) {
    const bad = await openTlsRedisServer(t, certificate)
    const settings = redisSettings(bad.tlsUrl, { authorities })
    await t.rejects(open(t, settings), { code: 'GW_STORAGE_UNAVAILABLE', cause: { message: /certificate|altnames/ } }, certificate)
  }
})

const aclLine = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8').match(/^ACL SETUSER .*$/m)?.[0] ?? ''

t.test('the access rules of docs/redis.md are enough, and no more than needed; a wrong password says so and stays secret', async (t) => {
  const server = await openRedisServer(t)
  const admin = new Redis({ port: server.port, host: '127.0.0.1' })
  t.teardown(() => { admin.disconnect() })
  const [, ...words] = aclLine.replace('>PASSWORD', '>pass:word').split(' ')
  t.equal(await admin.call('ACL', words), 'OK')
  await admin.acl('SETUSER', 'default', 'off')

  const { connection } = await connect(t, redisSettings(`redis://jointgate:pass%3Aword@127.0.0.1:${server.port}`))
  const { keys, reads, subscriber } = connection
  await subscriber.subscribe(keys.channel)
  const heard = new Promise((resolve) => { subscriber.on('message', (_, message) => { resolve(message) }) })
  const batch = setting(keys.own('x'), '1')
  batch.put(keys.own('hash'), 'field', 'value')
  batch.run('ZADD', keys.own('list'), 1, 'member')
  batch.run('SADD', keys.own('set'), 'member')
  batch.run('PEXPIRE', keys.own('set'), 60_000)
  batch.run('UNLINK', keys.own('gone'))
  batch.publish(keys.channel, 'told')
  t.equal(await connection.commit(batch), 0)
  t.equal(await heard, 'told')
  t.equal(await reads.hget(keys.own('hash'), 'field'), 'value')
  t.same(await reads.multi().get(keys.own('x')).exec(), [[null, '1']])
  const storage = openRedisStorage(connection, new SealedBox([randomBytes(32)]), new ManualClock())
  t.match(await storage.directory.commit(tenantPush(1), { signatureDigest: 'once', expiresAt: Number.MAX_SAFE_INTEGER }), { kind: 'committed' })
  await storage.check()
  for (const [name, forbidden] of Object.entries({
    'another key': () => reads.get('other'),
    'all keys': () => reads.keys('*'),
    'emptying it': () => reads.flushall(),
    'changing settings': () => reads.config('SET', 'appendonly', 'no'),
    'another channel': () => reads.publish('other', 'x'),
    'another user': () => reads.acl('SETUSER', 'x'),
  })) await t.rejects(forbidden(), /NOPERM/, name)

  const wrong = redisSettings(`redis://jointgate:canary7f3a@127.0.0.1:${server.port}`)
  const error: unknown = await open(t, wrong).then(() => undefined, (error: unknown) => error)
  t.equal(codeOf(error), 'GW_STORAGE_UNAVAILABLE')
  const described = JSON.stringify(describeError(error))
  t.match(described, 'WRONGPASS')
  t.notMatch(described, 'canary7f3a')
  const denied: unknown = await connection.guarded(() => reads.set('other', 'canary7f3a')).catch((error: unknown) => error)
  t.notMatch(JSON.stringify(denied, (_, value: unknown) => (value instanceof Error ? { ...value, text: value.stack, cause: value.cause } : value)), 'canary7f3a')
})

const good: ServerFacts = {
  name: 'h:1',
  version: '7.0.15',
  role: 'master',
  appendOnly: true,
  appendFsync: 'always',
  lastAppendSucceeded: true,
  maxMemory: 0,
  maxMemoryPolicy: 'noeviction',
  connectedReplicas: 2,
  minReplicasToWrite: 1,
}

t.test('durability is judged from what the server says; what it does not say is not safe', async (t) => {
  const single = { topology: 'single', replicas: 0 } as const
  const sentinel = { topology: 'sentinel', replicas: 1 } as const
  const cases: Array<[string, Partial<ServerFacts>, Parameters<typeof judgeDurability>[1], DurabilityWord[], boolean?]> = [
    ['all is well', {}, single, []],
    ['no append-only file', { appendOnly: false }, single, ['no-append-only-file']],
    ['an unknown one', { appendOnly: undefined }, single, ['no-append-only-file']],
    ['synced each second', { appendFsync: 'everysec' }, single, ['append-only-file-not-synced']],
    ['never synced', { appendFsync: 'no' }, single, ['append-only-file-not-synced']],
    ['nobody knows', { appendFsync: undefined }, single, ['append-only-file-not-synced']],
    ['each second, and WAITAOF', { appendFsync: 'everysec', version: '7.2.0' }, single, [], true],
    ['unknown, and WAITAOF', { appendFsync: undefined, version: '8.0.1' }, single, [], true],
    ['always, and WAITAOF', { version: '7.4.1' }, single, [], false],
    ['WAITAOF without a file', { appendOnly: false, appendFsync: 'everysec', version: '7.2.0' }, single, ['no-append-only-file', 'append-only-file-not-synced']],
    ['a full disk', { lastAppendSucceeded: false }, single, ['append-only-file-fails']],
    ['eviction', { maxMemory: 1_000, maxMemoryPolicy: 'allkeys-lru' }, single, ['may-evict']],
    ['eviction of what expires', { maxMemory: 1_000, maxMemoryPolicy: 'volatile-ttl' }, single, ['may-evict']],
    ['eviction without a limit', { maxMemory: 0, maxMemoryPolicy: 'allkeys-lru' }, single, []],
    ['a limit that is hidden', { maxMemory: undefined, maxMemoryPolicy: undefined }, single, ['may-evict']],
    ['a replica', { role: 'slave' }, single, ['not-a-master']],
    ['too old', { version: '6.0.16' }, single, ['server-too-old']],
    ['of unknown age', { version: undefined }, single, ['server-too-old']],
    ['old enough', { version: '6.2.0' }, single, []],
    ['nothing is said', Object.fromEntries(Object.keys(good).filter((key) => key !== 'name').map((key) => [key, undefined])), single,
      ['server-too-old', 'not-a-master', 'no-append-only-file', 'append-only-file-not-synced', 'may-evict']],
    ['Sentinel', {}, sentinel, []],
    ['Sentinel, and no replica asked', {}, { ...sentinel, replicas: 0 }, ['no-replica-waited-for']],
    ['a cluster, and no replica asked', {}, { topology: 'cluster', replicas: 0 }, ['no-replica-waited-for']],
  ]
  for (const [name, facts, asked, words, waitForDisk = false] of cases) {
    const judgement = judgeDurability([{ ...good, ...facts }], asked)
    t.same(judgement.findings.map(({ word }) => word), words, name)
    t.ok(judgement.findings.every(({ isUnsafe }) => isUnsafe), name)
    t.equal(judgement.waitForDisk, waitForDisk, name)
  }
  const warned = judgeDurability([{ ...good, connectedReplicas: 0, minReplicasToWrite: 0 }], sentinel).findings
  t.same(warned.map(({ word, isUnsafe }) => [word, isUnsafe]), [['replica-missing', false], ['isolated-master-may-write', false]])
  t.equal(judgeDurability([good, { ...good, name: 'h:2', appendOnly: false }], single).findings[0]?.text.startsWith('h:2 '), true, 'every master is judged')
})

t.test('a server that may lose an acknowledged push is refused with every reason, or warned of with the switch', async (t) => {
  const cases: Array<[string[], DurabilityWord[]]> = [
    [['--appendfsync', 'everysec'], ['append-only-file-not-synced']],
    [['--appendonly', 'no', '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'], ['no-append-only-file', 'may-evict']],
  ]
  for (const [options, words] of cases) {
    const { url } = await openRedisServer(t, options)
    const { opened: refused } = await open(t, redisSettings(url))
    t.same(refused.kind === 'unsafe' && refused.findings.map(({ word }) => word), words, options.join(' '))
    const { opened, events } = await open(t, redisSettings(url), true)
    t.equal(opened.kind, 'open')
    t.equal(events.filter((event) => event.startsWith('error storage.unsafe ')).length, words.length)
  }
})

t.test('a server that comes back with other settings is told of', async (t) => {
  const server = await openRedisServer(t)
  const { events } = await connect(t, redisSettings(server.url))
  const admin = new Redis({ port: server.port, host: '127.0.0.1' })
  t.teardown(() => { admin.disconnect() })
  await admin.config('SET', 'appendfsync', 'everysec')
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
  await eventually('it is told of', async () => events.some((event) => event.includes('appendfsync everysec')))
})

t.test('a commit that no replica has is no success, and neither is finding it done', async (t) => {
  const server = await openRedisServer(t, ['--repl-diskless-sync-delay', '0'])
  const { connection, events } = await connect(t, redisSettings(server.url, { replicas: 1 }))
  t.match(events, [/^warn storage.warning .*0 replicas and 1 must have each write/])
  const key = connection.keys.own('x')
  t.ok(await failure(t, 'commit', () => connection.commit(setting(key, '1'))) < 2_000)
  t.equal(await connection.reads.get(key), '1', 'the master has it')
  const again = setting(key, '2')
  again.expect(key, '')
  await failure(t, 'a guard that finds it done', () => connection.commit(again))
  await failure(t, 'settle', () => connection.settle(key))
  t.equal(await connection.commitLoosely(setting(key, '3')), 0, 'what may be lost waits for nobody')

  const replica = await openRedisServer(t, ['--replicaof', `127.0.0.1 ${server.port}`])
  await eventually('the replica follows', async () => (await connection.reads.info('replication')).includes('state=online'))
  await eventually('the replica has a commit', () => connection.commit(setting(key, '4')).then((guard) => guard === 0, () => false))
  await connection.settle(key)
  const other = new Redis({ port: replica.port, host: '127.0.0.1' })
  t.teardown(() => { other.disconnect() })
  t.equal(await other.get(key), '4')
})

t.test('a repeated push is not acknowledged before a replica has what its first sending wrote', async (t) => {
  const server = await openRedisServer(t, ['--repl-diskless-sync-delay', '0'])
  const box = new SealedBox([randomBytes(32)])
  const directoryOf = async (replicas: number): Promise<DirectoryStore> => {
    const { connection } = await connect(t, redisSettings(server.url, { replicas }))
    return openRedisStorage(connection, box, new ManualClock()).directory
  }
  const careless = await directoryOf(0)
  const careful = await directoryOf(1)
  const receipt = { signatureDigest: 'once', expiresAt: Number.MAX_SAFE_INTEGER }
  t.match(await careless.commit(tenantPush(1), receipt), { kind: 'committed' })
  await failure(t, 'without a replica', () => careful.commit(tenantPush(1), receipt))
  await openRedisServer(t, ['--replicaof', `127.0.0.1 ${server.port}`])
  await eventually('the replica has it', () => careful.commit(tenantPush(1), receipt).then(({ kind }) => kind === 'repeated', () => false))
})

t.test('T-13: a session is not told to be over before a replica has its end', async (t) => {
  const server = await openRedisServer(t, ['--repl-diskless-sync-delay', '0'])
  const box = new SealedBox([randomBytes(32)])
  const sessionsOf = async (replicas: number): Promise<SessionStore> => {
    const { connection } = await connect(t, redisSettings(server.url, { replicas }))
    return openRedisStorage(connection, box, new ManualClock()).sessions
  }
  const [careless, careful] = [await sessionsOf(0), await sessionsOf(1)]
  const session = anySession()
  await careless.create(session)
  await failure(t, 'the end', () => careful.end(session.ref))
  await failure(t, 'the same again, which finds it done', () => careful.end(session.ref))
  await openRedisServer(t, ['--replicaof', `127.0.0.1 ${server.port}`])
  await eventually('the replica has it', () => careful.end(session.ref).then((isEnded) => !isEnded, () => false))
})

t.test('C-35: a killed server is "unavailable", never "not there"; when it is back the same connection works, and each is told once', async (t) => {
  const server = await openRedisServer(t)
  const { connection, events } = await connect(t, redisSettings(server.url))
  const key = connection.keys.own('x')
  await connection.commit(setting(key, '1'))
  await server.kill()
  t.ok(await failure(t, 'a read', () => connection.guarded(() => connection.reads.get(key))) < 2_500)
  t.ok(await failure(t, 'a commit', () => connection.commit(setting(key, '2'))) < 2_500)
  await server.restart()
  await eventually('it works again', () => connection.commit(setting(key, '3')).then(() => true, () => false))
  await eventually('it is told of', async () => events.some((event) => event.includes('storage.recovered')))
  t.equal(await connection.guarded(() => connection.reads.get(key)), '3')
  t.match(events, [/^error storage.lost /, /^info storage.recovered /])
  t.equal(events.length, 2)
})

t.test('the reason is told when the running gateway\'s user vanishes, gets another password or loses its rights, and each change of the reason', async (t) => {
  const server = await openRedisServer(t)
  const admin = new Redis({ port: server.port, host: '127.0.0.1' })
  t.teardown(() => { admin.disconnect() })
  const allow = (...words: string[]) => admin.call('ACL', 'SETUSER', 'gateway', 'on', '~*', '&*', ...words)
  await allow('>canary7f3a', '+@all')
  const { connection, events } = await connect(t, redisSettings(`redis://gateway:canary7f3a@127.0.0.1:${server.port}`))
  const told = (beginnings: string[]) => eventually(`${beginnings.join(', ')} in ${events.join(' / ')}`, async () =>
    events.length >= beginnings.length && beginnings.every((text, at) => events[at]?.includes(text) === true))
  const lines: string[] = []
  const next = (...more: string[]) => {
    lines.push(...more)
    return told(lines)
  }
  await allow('-@all')
  await next('was lost: NOPERM')
  await admin.call('ACL', 'DELUSER', 'gateway')
  await next('still lost: WRONGPASS')
  await allow('>canary7f3a', '-@all')
  await next('still lost: NOPERM')
  await allow('+@all')
  await admin.call('CLIENT', 'KILL', 'USER', 'gateway')
  await next('storage.recovered')
  await connection.commit(setting(connection.keys.own('x'), '1'))
  await allow('resetpass', '>another')
  await admin.call('CLIENT', 'KILL', 'USER', 'gateway')
  await next('was lost: the connection was closed', 'still lost: WRONGPASS')
  await allow('>canary7f3a')
  await next('storage.recovered')
  t.equal(events.length, lines.length, 'each once')
  t.notMatch(events.join(' '), 'canary7f3a')
})
