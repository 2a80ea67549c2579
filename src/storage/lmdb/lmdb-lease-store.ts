import type { Database, RootDatabase } from 'lmdb'
import type { LeaseStore } from '../../base/lease-store.ts'
import { guarded, withRoom } from './lmdb-environment.ts'

interface StoredLease { readonly holder: string, readonly until: number }

/**
 * Leases in LMDB; not flushed, since a power cut ends their holder too. A lease is written at the version that was read, so of several
 * processes one gets it.
 */
export function openLmdbLeaseStore (environment: RootDatabase): LeaseStore {
  const leases: Database<StoredLease, string> = environment.openDB('lease-holders', { encoding: 'msgpack', useVersions: true })

  return {
    acquire: (name, holder, now, milliseconds) => withRoom(environment, async () => {
      for (;;) {
        const held = leases.getEntry(name)
        if (held !== undefined && held.value.holder !== holder && held.value.until > now) return false
        const version = held?.version ?? null
        if (await leases.put(name, { holder, until: now + milliseconds }, (version ?? 0) + 1, version as number)) return true
      }
    }),

    release: (name, holder) => guarded(environment, async () => {
      const held = leases.getEntry(name)
      // Not removed if somebody else has it meanwhile.
      if (held?.value.holder === holder) await leases.remove(name, held.version ?? 0)
    }),

    sweep: (now) => guarded(environment, async () => {
      const over = [...leases.getRange({ versions: true })].filter(({ value }) => value.until <= now)
      const removals = await Promise.all(over.map(({ key, version = 0 }) => leases.remove(key, version)))
      return removals.filter(Boolean).length
    }),
  }
}
