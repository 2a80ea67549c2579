import type { Database, RootDatabase } from 'lmdb'
import type { KeyUsage, KeyUsageStore } from '../../base/key-usage-store.ts'
import { guarded, withRoom, written } from './lmdb-environment.ts'
import type { TakeTurn } from './lmdb-turns.ts'
import { PreparedBatch } from './prepared-batch.ts'

type Stored = Pick<KeyUsage, 'firstSeenAt' | 'lastUsedAt' | 'uses'>

export function openLmdbKeyUsageStore (environment: RootDatabase, takeTurn: TakeTurn): KeyUsageStore {
  const keys: Database<Stored, string[]> = environment.openDB('key-usage', { encoding: 'msgpack' })

  return {
    see: (kind, fingerprints, now) => takeTurn((handOver) => written(environment, async () => {
      const batch = new PreparedBatch()
      for (const fingerprint of fingerprints) {
        if (!keys.doesExist([kind, fingerprint])) batch.put(keys, [kind, fingerprint], { firstSeenAt: now, lastUsedAt: undefined, uses: 0 })
      }
      if (batch.size > 0) await handOver(batch)
    })),

    // Two messages at once count as two.
    use: (kind, fingerprint, now) => takeTurn((handOver) => withRoom(environment, async () => {
      const { firstSeenAt, uses } = keys.get([kind, fingerprint]) ?? { firstSeenAt: now, uses: 0 }
      const batch = new PreparedBatch()
      batch.put(keys, [kind, fingerprint], { firstSeenAt, lastUsedAt: now, uses: uses + 1 })
      await handOver(batch)
    })),

    list: () => guarded(environment, () =>
      [...keys.getRange()].map(({ key: [kind = '', fingerprint = ''], value }) => ({ kind, fingerprint, ...value }))),
  }
}
