import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { Secret } from '../../src/base/secret.ts'
import type { PushReceipt } from '../../src/directory/directory-store.ts'
import type { InstanceId, TenantId, UserName } from '../../src/directory/model.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import { encodeChange, parseChange } from '../../src/storage/redis/redis-changes.ts'
import type { RedisConnection } from '../../src/storage/redis/connection/redis-connection.ts'
import { createRedisRevisions } from '../../src/storage/redis/directory/redis-revisions.ts'
import { createDirectoryHashes } from '../../src/storage/redis/directory/redis-rows.ts'
import { openRedisPushLog } from '../../src/storage/redis/directory/redis-push-log.ts'
import { SlotBatch } from '../../src/storage/redis/connection/slot-batch.ts'
import { openRedisStorage } from '../../src/storage/redis/open-redis-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { testDirectoryStore } from '../contracts/directory-store.ts'
import { testErasureStore } from '../contracts/erasure-store.ts'
import { testKeyUsageStore } from '../contracts/key-usage-store.ts'
import { testOutbox } from '../contracts/outbox.ts'
import { anyRecord, testPushLog } from '../contracts/push-log.ts'
import { testSigningKeyStore } from '../contracts/signing-key-store.ts'
import {
  accountsPush, appId, applicationPush, departmentsPush, tenantId, tenantPush, userName, versionAt,
} from '../support/directory-pushes.ts'
import { createPush, releasePush, renewPush } from '../support/instance-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openRedisConnection, openRedisServer } from '../support/redis-server.ts'
import { until } from '../support/signed-in.ts'

const server = await openRedisServer(t)
const box = new SealedBox([Buffer.alloc(32, 1)])

/** An empty store. */
const openNew = async (t: Test): Promise<Storage> => openRedisStorage(openRedisConnection(t, server), box, new ManualClock())

t.test('Redis as DirectoryStore', async (t) => { testDirectoryStore(t, async (t) => (await openNew(t)).directory) })
t.test('Redis as Outbox', async (t) => { testOutbox(t, openNew) })
t.test('Redis as PushLog', async (t) => { testPushLog(t, openNew) })
t.test('Redis as ErasureStore', async (t) => { testErasureStore(t, openNew) })
t.test('Redis as KeyUsageStore', async (t) => { testKeyUsageStore(t, async (t) => (await openNew(t)).keyUsage) })
t.test('Redis as SigningKeyStore', async (t) => { testSigningKeyStore(t, async (t) => (await openNew(t)).signingKeys) })

/** A second gateway on the same store, with connections of its own. */
function openBeside (t: Test, connection: RedisConnection, more: Partial<RedisConnection> = {}, clock = new ManualClock()): Storage {
  return openRedisStorage({ ...openRedisConnection(t, server), keys: connection.keys, ...more }, box, clock)
}

const receipt = (signatureDigest: string, more: Partial<PushReceipt> = {}): PushReceipt => ({ signatureDigest, expiresAt: 9, ...more })
const listening = async ({ changes }: Storage): Promise<void> => {
  await new Promise<void>((resolve) => { const end = changes.listen(({ kind }) => { if (kind === 'anything') { end(); resolve() } }) })
}
const revisionOf = async ({ directory }: Storage): Promise<number> => directory.revisionOf('production', tenantId)

t.test('two gateways that commit to one tenant and one purchase at once lose nothing', async (t) => {
  const connection = openRedisConnection(t, server)
  const gateways = [openRedisStorage(connection, box, new ManualClock()), openBeside(t, connection)]
  const [first] = gateways
  if (first === undefined) return
  await first.directory.commit(createPush('instance-1', 0), receipt('create'))
  await first.directory.commit(accountsPush(0), receipt('account'))
  await Promise.all(gateways.flatMap(({ directory }, gateway) => Array.from({ length: 20 }, (_, index) => [
    directory.commit(accountsPush(index, {
      change: 'modify', accounts: [{ userName: `user-${gateway}-${index}` as UserName, name: 'N', details: {} }, { userName, details: { [gateway === 0 ? 'email' : 'mobile']: `${index}` } }],
    }), receipt(`a${gateway}-${index}`, { record: anyRecord() })),
    directory.commit(renewPush('instance-1', 1 + gateway * 100 + index, 5), receipt(`r${gateway}-${index}`)),
  ]).flat()))
  const userNames = gateways.flatMap((_, gateway) => Array.from({ length: 20 }, (_, index) => `user-${gateway}-${index}`))
  for (const name of userNames) t.match((await first.directory.viewAccess('production', tenantId, appId, name as UserName)).accounts, [{ name: 'N' }], name)
  t.strictSame((await first.directory.viewAccess('production', tenantId, appId, userName)).accounts[0]?.details, { email: '19', mobile: '19' })
  t.equal((await first.pushLog.list(0, 100)).length, 40)
  const events = await first.outbox.list()
  t.same(events.map(({ sequence }) => sequence), Array.from({ length: 41 }, (_, index) => index + 1), 'each event has a number of its own')
  t.equal(await revisionOf(openBeside(t, connection)), 81, '41 commits of its own, 40 of its purchase since')
})

/** How often each command has been run, those within scripts too. */
async function commandCounts ({ reads }: RedisConnection): Promise<Map<string, number>> {
  const text = await reads.info('commandstats')
  return new Map([...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]))
}

t.test('issue 4: a push of 5000 accounts is a handful of commands, to an empty tenant and to a full one', async (t) => {
  const connection = openRedisConnection(t, await openRedisServer(t))
  const { directory } = openRedisStorage(connection, box, new ManualClock())
  const accounts = Array.from({ length: 5_000 }, (_, index) => ({ userName: `user-${index}` as UserName, name: 'N', details: {} }))
  for (const [at, tenant] of [[1, 'empty'], [2, 'full']] as const) {
    const before = await commandCounts(connection)
    t.match(await directory.commit(accountsPush(at, { accounts }), receipt(`5000 ${at}`, { answer: 'yes', record: anyRecord() })), { kind: 'committed' })
    const after = [...await commandCounts(connection)]
    const runs = after.map(([name, calls]) => [name, calls - (before.get(name) ?? 0)] as const).filter(([, calls]) => calls > 0)
    const total = runs.reduce((sum, [, calls]) => sum + calls, 0)
    t.ok(runs.some(([name]) => name === 'eval') && runs.some(([name]) => name === 'hset'), 'the counts are those of the push')
    t.ok(total <= 50, `${tenant}: ${total} commands: ${runs.map(([name, calls]) => `${calls} ${name}`).join(', ')}`)
  }
  t.match((await directory.viewAccess('production', tenantId, appId, 'user-4999' as UserName)).accounts, [{ version: versionAt(2) }])
})

t.test('T-49: one signature at two gateways at once has one effect, one record and one answer', async (t) => {
  const connection = openRedisConnection(t, server)
  const gateways = [openRedisStorage(connection, box, new ManualClock()), openBeside(t, connection)]
  for (let index = 0; index < 10; index++) {
    const outcomes = await Promise.all(gateways.map(({ directory }, gateway) =>
      directory.commit(tenantPush(index), receipt(`same ${index}`, { answer: `of ${gateway}`, record: anyRecord() }))))
    t.same(outcomes.map(({ kind }) => kind).sort(), ['committed', 'repeated'])
    const winner = outcomes.findIndex(({ kind }) => kind === 'committed')
    t.match(outcomes[1 - winner], { answer: `of ${winner}` })
  }
  t.equal((await gateways[0]?.pushLog.list(0, 100))?.length, 10)
})

t.test('T-49: a crash between a commit and the copy of its answer loses no answer', async (t) => {
  const connection = openRedisConnection(t, server)
  const { directory } = openRedisStorage(connection, box, new ManualClock())
  await directory.commit(tenantPush(1), receipt('a', { answer: 'yes' }))
  t.equal(await directory.findAnswer('a'), 'yes')
  await connection.reads.del(connection.keys.own('answers'))
  t.equal(await directory.findAnswer('a'), undefined)
  t.strictSame(await directory.commit(tenantPush(1), receipt('a', { answer: 'another' })), { kind: 'repeated', answer: 'yes' })
})

t.test('C-26: what one gateway commits moves the revision at the other at once, also through a purchase', async (t) => {
  const connection = openRedisConnection(t, server)
  const [here, there] = [openRedisStorage(connection, box, new ManualClock()), openBeside(t, connection)]
  await listening(there)
  await here.directory.commit(tenantPush(1))
  for (const push of [tenantPush(2), createPush('instance-1', 0), releasePush('instance-1', 1)]) {
    await until(() => typeof there.directory.revisionOf('production', tenantId) === 'number')
    const before = await revisionOf(there)
    await here.directory.commit(push)
    await until(async () => await revisionOf(there) !== before)
  }
  await until(() => typeof there.directory.revisionOf('production', tenantId) === 'number')
  const before = await revisionOf(there)
  await here.directory.commit(tenantPush(9, { tenantId: 'another' as TenantId, instanceId: 'another' as InstanceId }))
  await here.directory.commit(createPush('another', 2))
  t.equal(there.directory.revisionOf('production', tenantId), before, 'what happens to others is no reason to ask')
})

t.test('if every notification is lost, the revision is known 500 ms later at the latest', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock()
  const here = openRedisStorage(connection, box, new ManualClock())
  const deaf = openBeside(t, connection, { keys: { ...connection.keys, channel: 'nobody' } }, clock)
  await listening(deaf)
  await here.directory.commit(tenantPush(1))
  t.equal(await revisionOf(deaf), 1)
  await here.directory.commit(tenantPush(2))
  clock.advance(500)
  t.equal(deaf.directory.revisionOf('production', tenantId), 1)
  clock.advance(1)
  t.equal(await revisionOf(deaf), 2)
  await here.directory.commit(tenantPush(3))
  clock.advance(-1)
  t.equal(await revisionOf(deaf), 3, 'a clock that was set back')
})

t.test('while the subscription is down nothing is answered from memory; when it is back, all that was known is forgotten', async (t) => {
  const connection = openRedisConnection(t, server)
  const here = openRedisStorage(connection, box, new ManualClock())
  const beside = openRedisConnection(t, server)
  const there = openRedisStorage({ ...beside, keys: connection.keys }, box, new ManualClock())
  await listening(there)
  await here.directory.commit(tenantPush(1))
  t.equal(await revisionOf(there), 1)
  const closed = once(beside.subscriber, 'close')
  beside.subscriber.disconnect()
  await closed
  for (const at of [2, 3]) {
    await here.directory.commit(tenantPush(at))
    t.equal(await revisionOf(there), at)
  }
  const back = listening(there)
  await beside.subscriber.connect()
  await back
  t.equal(await revisionOf(there), 3)
  t.equal(there.directory.revisionOf('production', tenantId), 3, 'known again')
})

t.test('a look that began before a notification is not kept after it, and who asks after it looks for himself', async (t) => {
  const connection = openRedisConnection(t, server)
  const { keys } = connection
  const feed = createChangeFeed()
  const answers: Array<(revision: string) => void> = []
  const reads = { get: () => new Promise((resolve) => { answers.push(resolve) }), hgetall: async () => ({}) } as unknown as RedisConnection['reads']
  const changes = { ...feed, isListening: true }
  const revisionOf = createRedisRevisions({ ...connection, reads }, createDirectoryHashes(keys), changes, new ManualClock())
  const ask = () => revisionOf('production', tenantId)
  const before = [ask(), ask()]
  t.equal(answers.length, 1, 'one look at a time')
  feed.tell({ kind: 'instance', realm: 'production', instanceId: 'any' as InstanceId })
  const after = ask()
  t.equal(answers.length, 2)
  answers[1]?.('2')
  t.equal(await after, 2)
  answers[0]?.('1')
  t.same([await before[0], await before[1]], [1, 1], 'who asked before may hear what was before')
  t.equal(ask(), 2)
  feed.tell({ kind: 'tenant', realm: 'test', tenantId })
  t.equal(ask(), 2, 'another realm')
  feed.tell({ kind: 'tenant', realm: 'production', tenantId })
  t.type(ask(), Promise)
})

t.test('C-35, C-59: a server killed in the middle: whole or nothing, what was acknowledged is there, the repeat is answered right', async (t) => {
  const server = await openRedisServer(t)
  const connection = openRedisConnection(t, server)
  const { directory } = openRedisStorage(connection, box, new ManualClock())
  const accounts = (at: number) => accountsPush(at, {
    accounts: Array.from({ length: 300 }, (_, index) => ({ userName: `user-${index}` as UserName, name: `N${at}`, details: {} })),
  })
  const numbered = (at: number) => receipt(`push ${at}`, { answer: `answer ${at}`, record: anyRecord() })
  const acknowledged: number[] = []
  const pushing = (async () => {
    for (let at = 1; ; at++) {
      await directory.commit(accounts(at), numbered(at))
      acknowledged.push(at)
      if (at === 8) void server.kill()
    }
  })()
  await t.rejects(pushing, { code: 'GW_STORAGE_UNAVAILABLE' })
  await t.rejects(directory.viewTenant('production', tenantId, appId), { code: 'GW_STORAGE_UNAVAILABLE' }, 'never an empty answer')
  await server.restart()
  const again = openRedisStorage({ ...openRedisConnection(t, server), keys: connection.keys }, box, new ManualClock())
  const last = acknowledged.length
  const newest = await again.directory.revisionOf('production', tenantId)
  t.ok(newest === last || newest === last + 1, `${last} acknowledged, ${newest} there`)
  const versions = await Promise.all(Array.from({ length: 300 }, async (_, index) =>
    (await again.directory.viewAccess('production', tenantId, appId, `user-${index}` as UserName)).accounts[0]?.version))
  t.strictSame([...new Set(versions)], [versionAt(newest)], 'all rows of one push')
  t.strictSame(await again.directory.commit(accounts(last), numbered(last)), { kind: 'repeated', answer: `answer ${last}` })
  const { kind } = await again.directory.commit(accounts(last + 1), numbered(last + 1))
  t.equal(kind, newest === last ? 'committed' : 'repeated')
  t.equal((await again.pushLog.list(0, 100)).length, last + 1, 'each is archived once')
})

t.test('C-15, C-33: values are sealed at rest: no name, address, secret or content is in the append-only file', async (t) => {
  const server = await openRedisServer(t)
  const { directory } = openRedisStorage(openRedisConnection(t, server), box, new ManualClock())
  const { change, ...bought } = createPush('instance-1', 0)
  await directory.commit(tenantPush(1, { name: 'CANARY' }), receipt('a', { answer: 'CANARY', record: anyRecord({ content: Buffer.from('CANARY') }) }))
  await directory.commit(applicationPush(1, { clientSecret: new Secret('CANARY') }))
  await directory.commit(accountsPush(1, { accounts: [{ userName, name: 'CANARY', details: { email: 'CANARY', mobile: 'CANARY' } }] }))
  await directory.commit(departmentsPush(1, { departments: [{ code: 'd', name: 'CANARY' }] }))
  await directory.commit({ ...bought, change: { ...change, buyer: { mobilePhone: 'CANARY' } } as typeof change })
  await directory.commit({ ...bought, change: { kind: 'provision', report: { kind: 'ready', memo: 'CANARY' } } })
  await directory.keepAnswer('b', 9, 'CANARY')
  t.match(await directory.viewAccess('production', tenantId, appId, userName), { accounts: [{ name: 'CANARY' }], instances: [{ access: { memo: 'CANARY' } }] })
  const files = readdirSync(server.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const bytes = Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))))
  t.ok(bytes.includes(userName), 'what is not sealed is found this way')
  for (const encoding of ['utf8', 'base64', 'hex'] as const) t.notOk(bytes.includes(Buffer.from('CANARY').toString(encoding).replace(/.=*$/, '')), encoding)
})

t.test('a value that was moved elsewhere does not open there, and with its key taken away none does: corrupt, never "there is none"', async (t) => {
  const connection = openRedisConnection(t, server)
  const { directory, outbox } = openRedisStorage(connection, box, new ManualClock())
  const { keys, reads } = connection
  await directory.commit(tenantPush(1), receipt('a', { answer: 'yes' }))
  await directory.commit(createPush('instance-1', 0))
  const other = openRedisStorage({ ...openRedisConnection(t, server), keys }, new SealedBox([Buffer.alloc(32, 2)]), new ManualClock())
  const corrupt = { code: 'GW_STORAGE_CORRUPT' }
  {
    const { directory, outbox } = other
    await t.rejects(directory.viewTenant('production', tenantId, appId), corrupt)
    await t.rejects(directory.findAnswer('a'), corrupt)
    await t.rejects(directory.commit(tenantPush(1), receipt('a')), corrupt)
    await t.rejects(directory.commit(tenantPush(2), receipt('b')), corrupt)
    await t.rejects(outbox.list(), corrupt)
  }
  const move = async (from: string, field: string, to: string, toField: string) => {
    await reads.hset(to, toField, await reads.hgetBuffer(from, field) ?? '')
  }
  const tenants = (tenantId: string) => keys.tenant('production', tenantId as TenantId, 'tenants')
  await move(tenants(tenantId), 'instance-1', tenants('tenant-2'), 'instance-1')
  await move(keys.market('production', 'instances'), 'instance-1', keys.market('production', 'instances'), 'instance-2')
  await move(keys.own('answers'), 'a', keys.own('answers'), 'b')
  await move(keys.market('production', 'outbox'), '1', keys.market('production', 'outbox'), '2')
  await t.rejects(directory.viewTenant('production', 'tenant-2' as TenantId, appId), corrupt)
  await t.rejects(directory.findInstances('production', ['instance-2' as InstanceId]), corrupt)
  await t.rejects(directory.findAnswer('b'), corrupt)
  await t.rejects(outbox.list(), corrupt)
  t.match(await directory.viewTenant('production', tenantId, appId), { tenants: [{ name: 'Acme' }] })
})

t.test('the listing is bounded and in the order of the keys', async (t) => {
  const { directory, listing } = await openNew(t)
  for (const name of ['b', 'a', 'c']) {
    await directory.commit(tenantPush(1, { tenantId: name as TenantId, instanceId: 'i2' as InstanceId }))
    await directory.commit(tenantPush(1, { tenantId: name as TenantId, instanceId: 'i1' as InstanceId }))
    await directory.commit(createPush(name, 0))
  }
  const tenants = (await listing.listTenants('production', 3)).map(({ tenantId, tenant }) => [tenantId, tenant.instanceId])
  t.same(tenants, [['a', 'i1'], ['a', 'i2'], ['b', 'i1']])
  t.equal((await listing.listTenants('production', 100)).length, 6)
  t.same(await listing.listTenants('test', 3), [])
  t.same((await listing.listInstances('production', 2)).map(({ instanceId }) => instanceId), ['a', 'b'])
})

t.test('the probe writes, and tells of a server that is gone', async (t) => {
  const server = await openRedisServer(t)
  const storage = openRedisStorage(openRedisConnection(t, server), box, new ManualClock())
  await t.resolves(storage.check())
  await server.kill()
  await t.rejects(storage.check(), { code: 'GW_STORAGE_UNAVAILABLE' })
})

t.test('a notification says what changed; what is none of ours may mean anything', async (t) => {
  const changes = [
    { kind: 'tenant', realm: 'test', tenantId }, { kind: 'instance', realm: 'production', instanceId: '' as InstanceId }, { kind: 'session', ref: 'r' as SessionRef },
  ] as const
  for (const change of changes) t.strictSame(parseChange(encodeChange(change)), change)
  for (const message of ['', '[]', '["t","x","y"]', '["t","p"]', '{"a":1}', '["t",1,2]']) t.strictSame(parseChange(message), { kind: 'anything' }, message)
})

t.test('the push log\'s index may name what has not come: readers pass over it, and the sweep once it is old', async (t) => {
  const connection = openRedisConnection(t, server)
  const clock = new ManualClock()
  const pushLog = openRedisPushLog(connection, box, clock)
  const where = { realm: 'production', tenantId } as const
  await pushLog.append(anyRecord())
  const abandoned = await pushLog.reserve(anyRecord(), where)
  for (let at = 0; at < 10; at++) await pushLog.append(anyRecord())
  t.equal(await pushLog.find(abandoned), undefined)
  t.same((await pushLog.list(0, 3)).map(({ number }) => number), [1, 3, 4], 'as many as were asked for')
  t.equal(await pushLog.sweep(2_000, 1_000), 11)
  t.same(await pushLog.range(), { first: abandoned, last: abandoned }, 'its commit may be under way')
  const batch = new SlotBatch()
  pushLog.stage(batch, where, abandoned, anyRecord())
  await connection.commit(batch)
  t.match(await pushLog.find(abandoned), { number: abandoned })
  t.equal(await pushLog.sweep(2_000, 1_000), 1)
  await pushLog.reserve(anyRecord(), where)
  clock.advance(600_000)
  t.equal(await pushLog.sweep(2_000, 1_000), 1)
  t.equal(await pushLog.range(), undefined)
})

t.test('two gateways that sweep the push log at once forget each record once, and its size with it', async (t) => {
  const connection = openRedisConnection(t, server)
  const [one, other] = [openRedisStorage(connection, box, new ManualClock()), openBeside(t, connection)]
  for (let at = 0; at < 30; at++) await one.pushLog.append(anyRecord({ content: Buffer.alloc(10) }))
  await Promise.all([one.pushLog.sweep(0, 100), other.pushLog.sweep(0, 100)])
  t.same(await one.pushLog.range(), { first: 21, last: 30 })
  t.equal(await one.pushLog.sweep(0, 100), 0)
})

t.test('a gateway that sweeps between another one\'s two looks makes it forget nothing more', async (t) => {
  const connection = openRedisConnection(t, server)
  const one = openRedisStorage(connection, box, new ManualClock())
  for (let at = 0; at < 30; at++) await one.pushLog.append(anyRecord({ content: Buffer.alloc(10) }))
  const { keys, reads } = connection
  const ofLog = new Set(['bytes', 'numbers'].map((name) => keys.own('push-log', name)))
  let looks = 0
  const interrupted = <Rest extends readonly unknown[], Result> (look: (key: string, ...rest: Rest) => Promise<Result>) =>
    async (key: string, ...rest: Rest): Promise<Result> => {
      const seen = await look(key, ...rest)
      if (ofLog.has(key) && looks++ === 0) await one.pushLog.sweep(0, 100)
      return seen
    }
  const other = openBeside(t, connection, {
    reads: Object.assign(Object.create(reads) as typeof reads, {
      get: interrupted((key) => reads.get(key)),
      zrangebyscore: interrupted((key, ...rest: [string, string, 'LIMIT', number, number]) => reads.zrangebyscore(key, ...rest)),
    }),
  })
  await other.pushLog.sweep(0, 100)
  t.ok(looks >= 2)
  t.same(await one.pushLog.range(), { first: 21, last: 30 })
})

t.test('a record that was moved to another number does not open there', async (t) => {
  const connection = openRedisConnection(t, server)
  const { pushLog } = openRedisStorage(connection, box, new ManualClock())
  await pushLog.append(anyRecord())
  await pushLog.append(anyRecord())
  const keyOf = (number: number): string => connection.keys.tenant('production', tenantId, 'push', String(number))
  await connection.reads.set(keyOf(2), await connection.reads.getBuffer(keyOf(1)) ?? '')
  await t.rejects(pushLog.find(2), { code: 'GW_STORAGE_CORRUPT' })
})

/** A store on which the `count`th write and all after it fail, as if the gateway had been killed there. */
function openDying (t: Test, connection: RedisConnection, count: number): Storage {
  let left = count
  return openBeside(t, connection, {
    commit: async (batch) => {
      if (left-- <= 0) throw new Error('killed')
      return connection.commit(batch)
    },
  })
}

async function populateRelease ({ directory }: Storage): Promise<void> {
  await directory.commit(createPush('instance-1', 0))
  for (const tenant of ['tenant-1', 'tenant-2'] as TenantId[]) {
    await directory.commit(tenantPush(1, { tenantId: tenant }))
    await directory.commit(accountsPush(1, { tenantId: tenant, accounts: ['a', 'b'].map((name) => ({ userName: name as UserName, name, details: {} })) }))
  }
  await directory.commit(releasePush('instance-1', 1))
}

t.test('an erasure that is killed at any write is gone on with: everything goes, and one receipt tells of all of it', async (t) => {
  let kills = 0
  for (let count = 0, isDone = false; !isDone; count++) {
    const connection = openRedisConnection(t, server)
    const storage = openRedisStorage(connection, box, new ManualClock())
    await populateRelease(storage)
    const [planned] = await storage.erasures.listDue(versionAt(99_999), 1)
    if (planned === undefined) throw new Error('nothing is due')
    isDone = await openDying(t, connection, count).erasures.erase(planned).then(() => true, () => false)
    if (!isDone) kills++
    for (const again of await storage.erasures.listDue(versionAt(99_999), 9)) await storage.erasures.erase(again)
    t.match(await storage.erasures.listUnsigned(), [{ summary: { kind: 'instance', tenants: 2, accounts: 4 } }], `killed at write ${count}`)
    t.equal((await storage.erasures.listUnsigned()).length, 1)
    t.same(await storage.directory.viewTenant('production', tenantId, appId).then(({ tenants }) => tenants), [])
  }
  t.ok(kills >= 4)
})

t.test('what a push brings back while an erasure looks is kept', async (t) => {
  const connection = openRedisConnection(t, server)
  const storage = openRedisStorage(connection, box, new ManualClock())
  await storage.directory.commit(accountsPush(1))
  await storage.directory.commit(accountsPush(5, { change: 'delete' }))
  const [planned] = await storage.erasures.listDue(versionAt(9), 1)
  if (planned === undefined) throw new Error('nothing is due')
  let isFirst = true
  const slow = openBeside(t, connection, {
    commit: async (batch) => {
      if (isFirst) {
        isFirst = false
        await storage.directory.commit(accountsPush(6))
      }
      return connection.commit(batch)
    },
  })
  t.equal(await slow.erasures.erase(planned), undefined)
  t.match(await storage.directory.viewAccess('production', tenantId, appId, userName), { accounts: [{ isDeleted: false }] })
  t.same(await storage.erasures.listUnsigned(), [])
})
