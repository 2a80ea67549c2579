import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { Session, SessionRef } from '../../session/session.ts'
import type { SessionStore } from '../../session/session-store.ts'
import { guarded, guardedNow, written } from './lmdb-environment.ts'
import { sweepTable } from './sweep-table.ts'

/** endsAt and lastSeenAt as doubles, before the sealed session: `sweep` reads them without opening a million seals. */
const headerLength = 16
/** Opened sessions kept in memory; the bytes on disk are compared at each find, so a kept one is never a stale one. */
const keptSessions = 20_000

/** Sessions in LMDB, keyed by the hash of the id. LMDB's entry version is the session's revision: compare-and-set for free. */
export function openLmdbSessionStore (environment: RootDatabase, box: SealedBox): SessionStore {
  const sessions: Database<Buffer, SessionRef> = environment.openDB('sessions', { encoding: 'binary', useVersions: true })
  const kept = new Map<SessionRef, { bytes: Buffer, session: Session }>()

  const encode = (session: Session): Buffer => {
    const header = Buffer.alloc(headerLength)
    header.writeDoubleBE(session.endsAt, 0)
    header.writeDoubleBE(session.lastSeenAt, 8)
    return Buffer.concat([header, box.seal(JSON.stringify(session), sealContext(session.ref))])
  }

  const decode = (ref: SessionRef, bytes: Buffer): Session => {
    const opened = box.open(bytes.subarray(headerLength), sealContext(ref))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return JSON.parse(opened.toString()) as Session
  }

  const keep = (ref: SessionRef, bytes: Buffer): Session => {
    const session = decode(ref, bytes)
    kept.delete(ref)
    if (kept.size >= keptSessions) kept.delete(kept.keys().next().value ?? ref)
    kept.set(ref, { bytes, session })
    return session
  }

  return {
    find: async (ref) => guardedNow(environment, () => {
      // The fast read lends LMDB's own, larger buffer until the next read: compare in place, copy only what is new.
      const lent = sessions.getBinaryFast(ref)
      if (lent === undefined) {
        kept.delete(ref)
        return undefined
      }
      const known = kept.get(ref)
      return known?.bytes.compare(lent, 0, lent.length) === 0 ? known.session : keep(ref, Buffer.from(lent.subarray(0, lent.length)))
    }),

    create: async (session) => {
      await written(environment, () => sessions.put(session.ref, encode(session), session.revision))
    },

    replace: (session) => written(environment, () => sessions.put(session.ref, encode(session), session.revision, session.revision - 1)),

    end: (ref) => guarded(environment, async () => {
      kept.delete(ref)
      if (!sessions.doesExist(ref)) return false
      await sessions.remove(ref)
      await environment.flushed
      return true
    }),

    sweep: (now, idleSince) => guarded(environment, () =>
      sweepTable(environment, sessions, (bytes) => bytes.readDoubleBE(0) <= now || bytes.readDoubleBE(8) <= idleSince)),
  }
}

function sealContext (ref: SessionRef): string {
  return `session:${ref}`
}
