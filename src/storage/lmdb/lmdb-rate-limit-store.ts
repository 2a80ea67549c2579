import type { Database, RootDatabase } from 'lmdb'
import { sha256 } from '../../base/digest.ts'
import type { RateLimitStore } from '../../base/rate-limit-store.ts'
import { createTurns } from '../in-turn.ts'
import { guarded, withRoom } from './lmdb-environment.ts'
import { sweepTable } from './sweep-table.ts'

/** Counters in LMDB, by the hash of what they count; not flushed. The count is the row's version: of two processes one writes it. */
export function openLmdbRateLimitStore (environment: RootDatabase): RateLimitStore {
  const windows: Database<number, string> = environment.openDB('rate-windows', { encoding: 'msgpack', useVersions: true })
  // Within the process nobody has to try twice.
  const inTurn = createTurns()

  return {
    count: (key, now, windowMs) => {
      const start = now - now % windowMs
      const digest = sha256(JSON.stringify([key, start, windowMs]))
      return inTurn(digest, () => withRoom(environment, async () => {
        for (;;) {
          const before = windows.getEntry(digest)?.version ?? null
          const count = (before ?? 0) + 1
          if (await windows.put(digest, start + windowMs, count, before as number)) return count
        }
      }))
    },

    sweep: (now) => guarded(environment, () => sweepTable(environment, windows, (until) => until <= now)),
  }
}
