import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './build-gateway.ts'
import { eventually, killRedis, openRedisServer, startRedis, type RedisServer } from './redis-server.ts'

interface Test { teardown (closer: () => unknown): void }

export interface RedisSentinelSetUp {
  /** First the master of the beginning, then its replicas. */
  readonly servers: readonly RedisServer[]
  readonly url: string
  readonly sentinelPorts: readonly number[]
  /** The server that the sentinels name now. */
  findMaster (): Promise<RedisServer>
}

/** A master, two replicas and three sentinels on loopback. A failover takes about two seconds. */
export async function openRedisSentinel (t: Test): Promise<RedisSentinelSetUp> {
  const common = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1', '--min-replicas-to-write', '1', '--min-replicas-max-lag', '2']
  const master = await openRedisServer(t, common)
  const replicas = await Promise.all([1, 2].map(() => openRedisServer(t, [...common, '--replicaof', `127.0.0.1 ${master.port}`])))
  const servers = [master, ...replicas]
  for (const { port } of replicas) {
    await asked(port, async (client) => {
      await eventually('a replica follows', async () => (await client.info('replication')).includes('master_link_status:up'))
    })
  }
  const sentinelPorts = await Promise.all([1, 2, 3].map(() => openSentinel(t, master.port)))
  for (const port of sentinelPorts) {
    await asked(port, async (client) => {
      await eventually('the sentinels know each other', async () => {
        const about = await client.call('SENTINEL', 'MASTER', 'mymaster') as string[]
        return about[about.indexOf('num-other-sentinels') + 1] === '2' && about[about.indexOf('num-slaves') + 1] === '2'
      })
    })
  }
  return {
    servers,
    sentinelPorts,
    url: `redis+sentinel://${sentinelPorts.map((port) => `127.0.0.1:${port}`).join(',')}/mymaster/0`,
    async findMaster () {
      const address = await asked(sentinelPorts[0] ?? 0, (client) => client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')) as string[]
      const found = servers.find(({ port }) => String(port) === address[1])
      if (found === undefined) throw new Error('the sentinels name a stranger')
      return found
    },
  }
}

async function asked<Answer> (port: number, ask: (client: Redis) => Promise<Answer>): Promise<Answer> {
  const client = new Redis({ port, host: '127.0.0.1' })
  try {
    return await ask(client)
  } finally {
    client.disconnect()
  }
}

async function openSentinel (t: Test, masterPort: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-sentinel-'))
  const port = await freePort()
  const file = join(folder, 'sentinel.conf')
  writeFileSync(file, `
port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor mymaster 127.0.0.1 ${masterPort} 2
sentinel down-after-milliseconds mymaster 700
sentinel failover-timeout mymaster 3000
`)
  const child = await startRedis([file, '--sentinel'], '+monitor master')
  t.teardown(async () => {
    await killRedis(child)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  return port
}
