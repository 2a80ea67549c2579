import type { ChainableCommander } from 'ioredis'
import { sha256 } from '../../../base/digest.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { SlotBatch, type RedisValue } from '../connection/slot-batch.ts'

/** The native expiry is a belt beside the sweep: it must never be the first, also where clocks differ. */
const beltMs = 3_600_000
const rowsAtOnce = 500
/** One for each sign of base64url, so that a cluster shares the load and a sweep has few places to look at. */
const buckets = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']

/** Values that live for minutes, each in one slot with the sorted set that says when it is over. */
export interface RedisShortLived {
  /** Where the value lies. */
  keyOf (id: string): string
  /** Sets the value and its end (epoch ms), as part of the batch. */
  put (batch: SlotBatch, id: string, value: RedisValue, expiresAt: number, now: number): void
  /** Sets the value, if there is none, and its end, as part of a transaction that goes on to use it. */
  begin (transaction: ChainableCommander, id: string, value: RedisValue, expiresAt: number, now: number): void
  remove (batch: SlotBatch, id: string): void
  /** The ids of all values, those included that are over, with their ends. */
  list (): AsyncGenerator<{ readonly id: string, readonly expiresAt: number }>
  /** Removes what ends at `latest` or before; returns how many. */
  sweep (latest: number): Promise<number>
}

/** @param kind a short word of its own for each table: the beginning of the hash tag */
export function openRedisShortLived (connection: RedisConnection, kind: string): RedisShortLived {
  const { keys, reads } = connection
  const bucketOf = (id: string): string => sha256(id).charAt(0)
  const keyOf = (id: string): string => keys.single(kind, bucketOf(id), 'row', encodeURIComponent(id))
  const dueKey = (bucket: string): string => keys.single(kind, bucket, 'due')

  async function sweepBucket (bucket: string, latest: number): Promise<number> {
    let removed = 0
    for (;;) {
      const found = await reads.zrangebyscore(dueKey(bucket), '-inf', latest, 'WITHSCORES', 'LIMIT', 0, rowsAtOnce)
      if (found.length === 0) return removed
      const batch = new SlotBatch()
      for (let at = 0; at < found.length; at += 2) {
        const [id = '', score = ''] = found.slice(at, at + 2)
        // What was prolonged meanwhile makes us look again.
        batch.expectScore(dueKey(bucket), id, score)
        batch.run('DEL', keyOf(id))
        batch.run('ZREM', dueKey(bucket), id)
      }
      if (await connection.commitLoosely(batch) === 0) removed += found.length / 2
    }
  }

  const beltFrom = (expiresAt: number, now: number): number => Math.max(expiresAt - now, 0) + beltMs

  return {
    keyOf,
    put (batch, id, value, expiresAt, now) {
      batch.run('SET', keyOf(id), value, 'PX', beltFrom(expiresAt, now))
      batch.run('ZADD', dueKey(bucketOf(id)), expiresAt, id)
    },
    begin (transaction, id, value, expiresAt, now) {
      transaction.set(keyOf(id), value, 'PX', beltFrom(expiresAt, now), 'NX').zadd(dueKey(bucketOf(id)), expiresAt, id)
    },
    remove (batch, id) {
      batch.run('DEL', keyOf(id))
      batch.run('ZREM', dueKey(bucketOf(id)), id)
    },
    async * list () {
      for (const bucket of buckets) {
        const found = await connection.guarded(() => reads.zrange(dueKey(bucket), '0', '-1', 'WITHSCORES'))
        for (let at = 0; at < found.length; at += 2) yield { id: found[at] ?? '', expiresAt: Number(found[at + 1]) }
      }
    },
    sweep: (latest) => connection.guarded(async () => {
      const counts = await Promise.all(buckets.map((bucket) => sweepBucket(bucket, latest)))
      return counts.reduce((sum, count) => sum + count, 0)
    }),
  }
}
