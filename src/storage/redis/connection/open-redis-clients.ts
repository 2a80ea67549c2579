import { Cluster, type Redis } from 'ioredis'
import { faults } from '../../../base/coded-errors.ts'
import { createRedisClients, serversOf } from './create-redis-clients.ts'
import { describeRedisError } from './describe-redis-error.ts'
import type { RedisClient, RedisClients } from './redis-connection.ts'
import type { RedisSettings } from './redis-settings.ts'

/** A failover may be under way while a gateway starts; longer than this it is for the supervisor to start it again. */
const startTimeoutMs = 8_000

/** What no waiting heals: the password, the rights, the certificate. */
const hopeless = /WRONGPASS|NOAUTH|NOPERM|invalid username-password|certificate|altnames|ERR invalid DB index/i

/** Three clients that are connected. Rejects with `GW_STORAGE_UNAVAILABLE`, and leaves nothing open, when they can't be. */
export async function openRedisClients (settings: RedisSettings): Promise<RedisClients> {
  const clients = createRedisClients(settings)
  const all = Object.values(clients) as RedisClient[]
  try {
    await Promise.all(all.map((client) => connected(client)))
    return clients
  } catch (error) {
    for (const client of all) {
      client.on('error', () => undefined)
      client.disconnect()
    }
    throw new faults.StorageUnavailable({ cause: error })
  }
}

function connected (client: RedisClient): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = 'no answer'
    const finish = (error?: Error): void => {
      clearTimeout(timer)
      clearInterval(look)
      client.off('error', hear)
      client.off('node error', hear)
      if (error === undefined) resolve()
      else reject(error)
    }
    const hear = (error: Error): void => {
      last = describeRedisError((error as { lastNodeError?: Error }).lastNodeError ?? error)
      if (hopeless.test(last)) finish(new Error(last))
    }
    const timer = setTimeout(() => { finish(new Error(`Redis was not ready in time: ${last}`)) }, startTimeoutMs)
    const look = setInterval(() => { if (isReady(client)) finish() }, 5)
    client.on('error', hear)
    client.on('node error', hear)
    client.connect().catch(() => undefined)
  })
}

function isReady (client: RedisClient): boolean {
  if (client.status !== 'ready') return false
  return !(client instanceof Cluster) || serversOf(client, 'master').every((node: Redis) => node.status === 'ready')
}
