import t, { type Test } from 'tap'
import type { TenantId } from '../../src/directory/model.ts'
import { openRedisConnection } from '../../src/storage/redis/connection/open-redis-connection.ts'
import type { RedisConnection } from '../../src/storage/redis/connection/redis-connection.ts'
import type { RedisSettings } from '../../src/storage/redis/connection/redis-settings.ts'
import { openRedisCluster } from '../support/redis-cluster.ts'
import { openRedisSentinel } from '../support/redis-sentinel.ts'
import { failure, setting } from '../support/redis-deeds.ts'
import { eventually, openRedisServer, redisSettings } from '../support/redis-server.ts'
import { openTcpFaultProxy } from '../support/tcp-fault-proxy.ts'

async function connect (t: Pick<Test, 'teardown'>, settings: RedisSettings): Promise<{ connection: RedisConnection, events: string[] }> {
  const events: string[] = []
  const opened = await openRedisConnection(settings, {
    dangerouslyAllowLoss: settings.topology !== 'single' && settings.replicas === 0,
    onEvent: (level, event, line) => { events.push(`${level} ${event} ${line}`) },
  })
  if (opened.kind !== 'open') throw new Error(JSON.stringify(opened.findings))
  t.teardown(() => opened.connection.close())
  return { connection: opened.connection, events }
}

/** Commits one number after the other until it is told to stop; says which were acknowledged. */
function commitAway (connection: RedisConnection, keys: readonly string[]) {
  const acknowledged = new Map<string, number>()
  const stopped = new AbortController()
  let failures = 0
  const done = (async () => {
    for (let number = 1; !stopped.signal.aborted; number++) {
      const key = keys[number % keys.length] ?? ''
      await connection.commit(setting(key, String(number))).then(() => { acknowledged.set(key, number) }, () => { failures++ })
      await new Promise((resolve) => { setTimeout(resolve, 5) })
    }
  })()
  return {
    acknowledged,
    get failures () { return failures },
    async stop () {
      stopped.abort()
      await done
    },
  }
}

const tenantKeys = ({ keys }: RedisConnection) => Array.from({ length: 30 }, (_, index) => keys.tenant('production', `tenant-${index}` as TenantId, 'x'))

t.test('a cluster: what belongs to a tenant is one slot; commits, reads and notifications work on every node', async (t) => {
  const cluster = await openRedisCluster(t)
  const { connection } = await connect(t, redisSettings(`${cluster.url}?prefix=shop`))
  const { keys, reads, subscriber } = connection
  const heard = new Set<string>()
  await subscriber.subscribe(keys.channel)
  subscriber.on('message', (_, message) => heard.add(message))
  const all = Array.from({ length: 40 }, (_, index) => `tenant-${index}` as TenantId)
  await Promise.all(all.map(async (tenantId) => {
    const batch = setting(keys.tenant('production', tenantId, 'a'), tenantId)
    batch.expect(keys.tenant('production', tenantId, 'b'), '')
    batch.put(keys.tenant('production', tenantId, 'c', 'd'), 'field', tenantId)
    batch.publish(keys.channel, tenantId)
    t.equal(await connection.commit(batch), 0)
  }))
  t.same(await Promise.all(all.map((tenantId) => reads.get(keys.tenant('production', tenantId, 'a')))), all)
  t.same(await Promise.all(all.map((tenantId) => reads.hget(keys.tenant('production', tenantId, 'c', 'd'), 'field'))), all)
  await eventually('each notification is heard', async () => heard.size === all.length)
  const mixed = setting(keys.tenant('production', 'one' as TenantId), '1')
  mixed.run('SET', keys.tenant('production', 'two' as TenantId), '2')
  await failure(t, 'two tenants in one step', () => connection.commit(mixed))
})

t.test('a cluster whose master is killed: others answer on, and after the failover no acknowledged write is missing', async (t) => {
  const cluster = await openRedisCluster(t, { hasReplicas: true })
  const { connection, events } = await connect(t, redisSettings(cluster.url, { replicas: 1 }))
  const keys = tenantKeys(connection)
  const commits = commitAway(connection, keys)
  await eventually('all have been written', async () => commits.acknowledged.size === keys.length)
  const start = performance.now()
  const killed = cluster.nodes[1]
  await killed?.kill()
  await eventually('all can be written again', async () => {
    return (await Promise.all(keys.map((key) => connection.reads.set(`${key}:probe`, '1').then(() => true, () => false)))).every(Boolean)
  })
  const recovered = performance.now() - start
  await commits.stop()
  t.ok(commits.failures > 0, 'it was noticed')
  for (const [key, number] of commits.acknowledged) {
    t.ok(Number(await connection.guarded(() => connection.reads.get(key))) >= number, key)
  }
  // Others may leave the pool for a moment while roles change; what is said of the killed one is said once, with a reason of its own.
  const lines = events.filter((event) => event.includes(`storage.node-lost the cluster's node 127.0.0.1:${killed?.port} `))
  t.equal(lines.length, 1, lines.join())
  t.match(lines[0], /is gone: (the connection was closed|connect ECONNREFUSED 127\.0\.0\.1:\d+)$/)
  t.comment(`written everywhere again after ${Math.round(recovered)} ms, ${commits.failures} failures`)
})

t.test('Sentinel: a gateway finds the master, and the new one after a failover; no acknowledged write is missing', async (t) => {
  const sentinel = await openRedisSentinel(t)
  const { connection, events } = await connect(t, redisSettings(sentinel.url, { replicas: 1 }))
  t.same(events, [])
  const keys = tenantKeys(connection)
  const commits = commitAway(connection, keys)
  await eventually('all have been written', async () => commits.acknowledged.size === keys.length)
  const start = performance.now()
  const first = await sentinel.findMaster()
  await first.kill()
  await eventually('commits work again', () => connection.commit(setting(keys[0] ?? '', '0')).then(() => true, () => false))
  const recovered = performance.now() - start
  await commits.stop()
  await eventually('it is told of', async () => events.some((event) => event.includes('storage.recovered')))
  t.not((await sentinel.findMaster()).port, first.port)
  for (const [key, number] of commits.acknowledged) {
    if (key !== keys[0]) t.ok(Number(await connection.guarded(() => connection.reads.get(key))) >= number, key)
  }
  t.comment(`written again after ${Math.round(recovered)} ms, ${commits.failures} failures`)
})

t.test('Sentinel: a master that hangs is left for the new one, by the subscriber too', async (t) => {
  const sentinel = await openRedisSentinel(t)
  const { connection } = await connect(t, redisSettings(sentinel.url, { replicas: 1 }))
  const master = await sentinel.findMaster()
  process.kill(master.process.pid ?? 0, 'SIGSTOP')
  await eventually('commits work again', () => connection.commit(setting(connection.keys.own('x'), '1')).then(() => true, () => false))
  await eventually('the subscriber is elsewhere', async () => connection.subscriber.status === 'ready' && connection.subscriber.stream.remotePort !== master.port)
  t.pass()
})

t.test('a server behind a network that swallows everything is given up within 2.5 seconds, and found again', async (t) => {
  const server = await openRedisServer(t)
  const proxy = await openTcpFaultProxy(t, server.port)
  const { connection, events } = await connect(t, redisSettings(`redis://127.0.0.1:${proxy.port}`))
  const key = connection.keys.own('x')
  proxy.set('blackhole')
  const [read, written] = await Promise.all([
    failure(t, 'a read', () => connection.guarded(() => connection.reads.get(key))),
    failure(t, 'a commit', () => connection.commit(setting(key, '1'))),
  ])
  t.ok(read < 2_500 && written < 2_500, `${read} ms, ${written} ms`)
  await eventually('the silent subscriber is noticed too', async () => connection.subscriber.status !== 'ready')
  proxy.set('pass')
  await eventually('it works again', () => connection.commit(setting(key, '2')).then(() => true, () => false))
  await eventually('all connections are back', async () => events.at(-1)?.startsWith('info storage.recovered') === true)
  t.equal(connection.subscriber.status, 'ready')
})

t.test('nobody there: opening fails with the code, and leaves nothing open', async (t) => {
  const proxy = await openTcpFaultProxy(t, 1)
  proxy.set('cut')
  const start = performance.now()
  await t.rejects(connect(t, redisSettings(`redis://127.0.0.1:${proxy.port}`)), { code: 'GW_STORAGE_UNAVAILABLE' })
  t.ok(performance.now() - start < 9_000)
})
