import { sha256 } from '../../base/digest.ts'
import type { RateLimitStore } from '../../base/rate-limit-store.ts'
import type { RedisConnection } from './connection/redis-connection.ts'
import { openRedisShortLived } from './session/redis-short-lived.ts'

/** Counters in Redis, by the hash of what they count. */
export function openRedisRateLimitStore (connection: RedisConnection): RateLimitStore {
  const rows = openRedisShortLived(connection, 'r')

  return {
    count: (key, now, windowMs) => connection.guarded(async () => {
      const start = now - now % windowMs
      const id = sha256(JSON.stringify([key, start, windowMs]))
      // Not by a batch: its answer says nothing, and each caller needs a number of its own.
      const transaction = connection.reads.multi()
      rows.begin(transaction, id, 0, start + windowMs, now)
      const [error, count] = (await transaction.incr(rows.keyOf(id)).exec())?.at(-1) ?? [new Error('the transaction was not run')]
      if (error !== null) throw error
      return count as number
    }),

    sweep: (now) => rows.sweep(now),
  }
}
