import type { LeaseStore } from '../../base/lease-store.ts'
import type { RedisConnection } from './connection/redis-connection.ts'
import { openRedisShortLived } from './session/redis-short-lived.ts'
import { SlotBatch } from './connection/slot-batch.ts'

interface StoredLease { holder: string, until: number }

/** Leases in Redis. Judged by the gateways' clocks as everywhere; compare-and-set, so that of two takers one gets it. */
export function openRedisLeaseStore (connection: RedisConnection): LeaseStore {
  const rows = openRedisShortLived(connection, 'l')
  const read = async (name: string): Promise<string> => await connection.reads.get(rows.keyOf(name)) ?? ''
  const parse = (text: string): StoredLease | undefined => text === '' ? undefined : JSON.parse(text) as StoredLease

  return {
    acquire: (name, holder, now, milliseconds) => connection.guarded(async () => {
      for (;;) {
        const text = await read(name)
        const held = parse(text)
        if (held !== undefined && held.holder !== holder && held.until > now) return false
        const batch = new SlotBatch()
        batch.expect(rows.keyOf(name), text)
        rows.put(batch, name, JSON.stringify({ holder, until: now + milliseconds } satisfies StoredLease), now + milliseconds, now)
        if (await connection.commitLoosely(batch) === 0) return true
      }
    }),

    release: (name, holder) => connection.guarded(async () => {
      const text = await read(name)
      if (parse(text)?.holder !== holder) return
      const batch = new SlotBatch()
      batch.expect(rows.keyOf(name), text)
      rows.remove(batch, name)
      await connection.commitLoosely(batch)
    }),

    sweep: (now) => rows.sweep(now),
  }
}
