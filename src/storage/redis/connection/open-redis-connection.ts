import { checkDurability } from './check-durability.ts'
import { createRedisConnection, type RedisConnection } from './redis-connection.ts'
import { openRedisClients } from './open-redis-clients.ts'
import { redisLimits } from './create-redis-clients.ts'
import type { DurabilityFinding } from './judge-durability.ts'
import type { RedisSettings } from './redis-settings.ts'
import { watchClients, type OnRedisEvent } from './watch-clients.ts'

export interface OpenRedisOptions {
  /** Only warns of what `unsafe` would refuse. */
  readonly dangerouslyAllowLoss: boolean
  readonly onEvent: OnRedisEvent
}

export type OpenedRedis =
  | { readonly kind: 'open', readonly connection: RedisConnection }
  /** An acknowledged push could be lost; nothing is left open. */
  | { readonly kind: 'unsafe', readonly findings: readonly DurabilityFinding[] }

/** Connects, and looks whether what is written would stay written. Rejects with `GW_STORAGE_UNAVAILABLE` when Redis can't be reached. */
export async function openRedisConnection (settings: RedisSettings, options: OpenRedisOptions): Promise<OpenedRedis> {
  const { onEvent, dangerouslyAllowLoss } = options
  const { topology, replicas, prefix } = settings
  const clients = await openRedisClients(settings)
  const look = () => checkDurability(clients.writes, { topology, replicas })
  const { findings, waitForDisk } = await look()
  const connection = createRedisConnection(clients, prefix, { replicas, waitForDisk, timeoutMs: redisLimits.replicas })
  if (!dangerouslyAllowLoss && findings.some(({ isUnsafe }) => isUnsafe)) {
    await connection.close()
    return { kind: 'unsafe', findings }
  }
  const tell = (found: readonly DurabilityFinding[]): void => {
    for (const { isUnsafe, text } of found) onEvent(isUnsafe ? 'error' : 'warn', isUnsafe ? 'storage.unsafe' : 'storage.warning', text)
  }
  tell(findings)
  // The server may have come back with other settings, or as another server. It is told of; who runs is not stopped.
  const unwatch = watchClients(clients, onEvent, () => { void look().then(({ findings }) => { tell(findings) }) })
  return {
    kind: 'open',
    connection: {
      ...connection,
      async close () {
        unwatch()
        await connection.close()
      },
    },
  }
}
