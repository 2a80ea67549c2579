import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './build-gateway.ts'
import { eventually, killRedis, startRedis } from './redis-server.ts'
import type { ChildProcess } from 'node:child_process'

interface Test { teardown (closer: () => unknown): void }

export interface RedisClusterNode {
  readonly port: number
  readonly process: ChildProcess
  kill (): Promise<void>
  restart (): Promise<void>
}

export interface RedisCluster {
  /** The masters, in the order of their slots, then a replica of each if there are any. */
  readonly nodes: readonly RedisClusterNode[]
  readonly url: string
}

const slots = 16_384

/** Three masters on loopback, with a replica each if `hasReplicas`. A failover takes about two seconds. */
export async function openRedisCluster (t: Test, { hasReplicas = false } = {}): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: hasReplicas ? 6 : 3 }, () => openNode(t)))
  const masters = nodes.slice(0, 3)
  const clients = nodes.map(({ port }) => new Redis({ port, host: '127.0.0.1' }))
  try {
    const ids = await Promise.all(clients.map((client) => client.cluster('MYID')))
    for (const [index, client] of clients.slice(0, 3).entries()) {
      await client.call('CLUSTER', 'ADDSLOTSRANGE', Math.ceil(index * slots / 3), Math.ceil((index + 1) * slots / 3) - 1)
    }
    // Each its own epoch, or they would have to quarrel about it first.
    await Promise.all(clients.map((client, index) => client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)))
    for (const { port, busPort } of nodes) await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort)
    await eventually('every node knows every other', async () => (await Promise.all(clients.map(async (client) => {
      return (await client.cluster('INFO')).includes(`cluster_known_nodes:${nodes.length}`)
    }))).every(Boolean))
    await Promise.all(clients.slice(3).map((client, index) => replicate(client, String(ids[index]))))
    await eventually('the cluster is up', async () => (await Promise.all(clients.map(async (client) => {
      return (await client.cluster('INFO')).includes('cluster_state:ok')
    }))).every(Boolean))
    for (const client of clients.slice(3)) {
      await eventually('a replica follows', async () => (await client.info('replication')).includes('master_link_status:up'))
    }
  } finally {
    for (const client of clients) client.disconnect()
  }
  return { nodes, url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}` }
}

async function replicate (client: Redis, masterId: string): Promise<void> {
  await eventually('a replica knows its master', () => client.cluster('REPLICATE', masterId).then(() => true, () => false))
}

async function openNode (t: Test): Promise<RedisClusterNode & { readonly busPort: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-cluster-'))
  const port = await freePort()
  const busPort = await freePort()
  const args = [
    '--port', String(port), '--cluster-port', String(busPort), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes',
    '--appendfsync', 'always', '--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0',
  ]
  let child = await startRedis(args)
  t.teardown(async () => {
    await killRedis(child)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  return {
    port,
    busPort,
    get process () { return child },
    kill: () => killRedis(child),
    async restart () { child = await startRedis(args) },
  }
}
