import type { Redis } from 'ioredis'
import { serversOf } from './create-redis-clients.ts'
import { judgeDurability, type DurabilityJudgement, type ServerFacts } from './judge-durability.ts'
import type { RedisClient } from './redis-connection.ts'
import type { RedisSettings } from './redis-settings.ts'

/**
 * Asks every master for its settings and judges them. INFO is mandatory; CONFIG GET, which managed services and access rules often
 * withhold, only adds what INFO doesn't say. Never rejects: what isn't answered is unknown, and that is judged as not safe.
 */
export async function checkDurability (
  client: RedisClient, asked: Pick<RedisSettings, 'topology' | 'replicas'>,
): Promise<DurabilityJudgement> {
  return judgeDurability(await Promise.all(serversOf(client, 'master').map(readFacts)), asked)
}

async function readFacts (server: Redis): Promise<ServerFacts> {
  const info = await readInfo(server)
  const settings = await readSettings(server)
  const appendOnly = settings.get('appendonly') ?? { 0: 'no', 1: 'yes' }[info.get('aof_enabled') ?? '']
  const lastAppend = info.get('aof_last_write_status')
  return {
    name: `${server.options.host ?? info.get('run_id')?.slice(0, 8) ?? 'the server'}:${info.get('tcp_port') ?? server.options.port ?? ''}`,
    version: info.get('redis_version'),
    role: info.get('role'),
    appendOnly: appendOnly === undefined ? undefined : appendOnly === 'yes',
    appendFsync: settings.get('appendfsync'),
    lastAppendSucceeded: lastAppend === undefined ? undefined : lastAppend === 'ok',
    maxMemory: numberOf(settings.get('maxmemory') ?? info.get('maxmemory')),
    maxMemoryPolicy: settings.get('maxmemory-policy') ?? info.get('maxmemory_policy'),
    connectedReplicas: numberOf(info.get('connected_slaves')),
    minReplicasToWrite: numberOf(settings.get('min-replicas-to-write')),
  }
}

async function readInfo (server: Redis): Promise<Map<string, string>> {
  const text = await server.info().catch(() => '')
  return new Map(text.split(/\r?\n/).map((line) => line.split(/:(.*)/s)).map(([name = '', value = '']) => [name, value]))
}

async function readSettings (server: Redis): Promise<Map<string, string>> {
  const settings = new Map<string, string>()
  for (const pattern of ['append*', 'maxmemory*', 'min-replicas-to-write']) {
    const pairs = await server.config('GET', pattern).catch(() => []) as string[]
    for (let at = 0; at < pairs.length; at += 2) settings.set(pairs[at] ?? '', pairs[at + 1] ?? '')
  }
  return settings
}

function numberOf (text: string | undefined): number | undefined {
  const number = Number(text)
  return text === undefined || !Number.isInteger(number) ? undefined : number
}
