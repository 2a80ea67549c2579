import type { Database, RootDatabase } from 'lmdb'
import type { KeyUsage, KeyUsageStore } from '../../base/key-usage-store.ts'
import { createInTurn } from './in-turn.ts'
import { guarded, withRoom, written } from './lmdb-environment.ts'
import { PreparedBatch } from './prepared-batch.ts'

type Stored = Pick<KeyUsage, 'firstSeenAt' | 'lastUsedAt' | 'uses'>

export function openLmdbKeyUsageStore (environment: RootDatabase): KeyUsageStore {
  const keys: Database<Stored, string[]> = environment.openDB('key-usage', { encoding: 'msgpack' })
  // Two messages at once count as two.
  const inTurn = createInTurn()

  return {
    see: (kind, fingerprints, now) => inTurn(() => written(environment, async () => {
      const batch = new PreparedBatch()
      for (const fingerprint of fingerprints) {
        if (!keys.doesExist([kind, fingerprint])) batch.put(keys, [kind, fingerprint], { firstSeenAt: now, lastUsedAt: undefined, uses: 0 })
      }
      if (batch.size > 0) await batch.hand(environment)
    })),

    use: (kind, fingerprint, now) => inTurn(() => withRoom(environment, async () => {
      const { firstSeenAt, uses } = keys.get([kind, fingerprint]) ?? { firstSeenAt: now, uses: 0 }
      await keys.put([kind, fingerprint], { firstSeenAt, lastUsedAt: now, uses: uses + 1 })
    })),

    list: () => guarded(environment, () =>
      [...keys.getRange()].map(({ key: [kind = '', fingerprint = ''], value }) => ({ kind, fingerprint, ...value }))),
  }
}
