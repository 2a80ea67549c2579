import { setImmediate } from 'node:timers/promises'
import type { Database, RootDatabase } from 'lmdb'
import { sha256 } from '../../base/digest.ts'
import type { Session, SessionRef } from '../../session/session.ts'
import type { SessionScope } from '../../session/session-store.ts'

/** Read at once; everybody else has a turn in between. */
const refsAtOnce = 500

/** Finds sessions by whose they are. Hashes only: an index that named people would have to be sealed, and then be no index. */
export interface LmdbSessionIndex {
  /** To be called inside the batch that creates the session. */
  put (this: void, session: Session): void
  /** To be called inside the batch that removes the session. */
  remove (this: void, ref: SessionRef): void
  refsOf (scope: SessionScope): AsyncGenerator<SessionRef[]>
  readonly size: number
}

export function openLmdbSessionIndex (environment: RootDatabase): LmdbSessionIndex {
  /** enterprise ‖ end-user ‖ session. */
  const index: Database<SessionRef, string> = environment.openDB('sessions-by-user', { encoding: 'msgpack' })
  const places: Database<string, SessionRef> = environment.openDB('session-places', { encoding: 'msgpack' })

  return {
    put (session) {
      const place = `${placeOf({ kind: 'user', ...session })}${session.ref}`
      void index.put(place, session.ref)
      void places.put(session.ref, place)
    },
    remove (ref) {
      const place = places.get(ref)
      if (place === undefined) return
      void index.remove(place)
      void places.remove(ref)
    },
    async * refsOf (scope) {
      const place = placeOf(scope)
      // '~' sorts behind every sign of a hash.
      const range = { start: place, end: `${place}~` }
      for (;;) {
        const rows = [...index.getRange({ ...range, limit: refsAtOnce })]
        if (rows.length > 0) yield rows.map(({ value }) => value)
        if (rows.length < refsAtOnce) return
        Object.assign(range, { start: rows.at(-1)?.key, exclusiveStart: true })
        await setImmediate()
      }
    },
    get size () { return (places.getStats() as { entryCount: number }).entryCount },
  }
}

/** Hashes have one length, so that no name is the beginning of another one. */
function placeOf (scope: SessionScope): string {
  switch (scope.kind) {
    case 'all': return ''
    case 'tenant': return sha256(JSON.stringify(scope.tenantId))
    case 'user': return sha256(JSON.stringify(scope.tenantId)) + sha256(JSON.stringify([scope.tenantId, scope.appId, scope.userName]))
  }
}
