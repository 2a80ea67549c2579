import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { Session, SessionRef } from '../../session/session.ts'
import { isInScope } from '../../session/is-in-scope.ts'
import type { SessionStore } from '../../session/session-store.ts'
import type { ChangeFeed } from '../../session/store-changes.ts'
import { guarded, guardedNow, written } from './lmdb-environment.ts'
import { openLmdbSessionIndex } from './lmdb-session-index.ts'
import { sweepTable } from './sweep-table.ts'

/** endsAt and lastSeenAt as doubles, before the sealed session: `sweep` reads them without opening a million seals. */
const headerLength = 16
/** Opened sessions kept in memory; the bytes on disk are compared at each find, so a kept one is never a stale one. */
const keptSessions = 20_000

/**
 * Sessions in LMDB, keyed by the hash of the id. LMDB's entry version is the session's revision: compare-and-set for free, also beside
 * a command that ends sessions in a process of its own.
 */
export function openLmdbSessionStore (
  environment: RootDatabase, box: SealedBox, changes: ChangeFeed, { readOnly = false }: { readonly readOnly?: boolean } = {},
): SessionStore {
  const sessions: Database<Buffer, SessionRef> = environment.openDB('sessions', { encoding: 'binary', useVersions: true })
  const index = openLmdbSessionIndex(environment)
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

  /** Not kept: a list of all would drive those in use out of memory. */
  function readUnkept (ref: SessionRef): Session[] {
    const bytes = sessions.get(ref)
    return bytes === undefined ? [] : [decode(ref, bytes)]
  }

  /** Sessions of a version that had no index are found too. */
  function completeIndex (): void {
    if (readOnly || index.size === (sessions.getStats() as { entryCount: number }).entryCount) return
    environment.transactionSync(() => {
      for (const { key, value } of sessions.getRange()) {
        const opened = box.open(value.subarray(headerLength), sealContext(key))
        // One that no key opens is nobody's to anybody, until the key is back.
        if (opened !== undefined) index.put(JSON.parse(opened.toString()) as Session)
      }
    })
  }
  completeIndex()

  /** Of several at once, in whatever process, one removes it. A write in between makes us look again. */
  async function removeOnce (ref: SessionRef): Promise<boolean> {
    for (;;) {
      const version = sessions.getEntry(ref)?.version
      if (version === undefined) return false
      const isRemoved = await sessions.ifVersion(ref, version, () => {
        void sessions.remove(ref)
        index.remove(ref)
      })
      if (isRemoved) return true
    }
  }

  return {
    find: async (ref) => guardedNow(environment, () => {
      // What another worker has acknowledged holds for the very next request; the tenant's revision, read right behind it, is as new.
      sessions.resetReadTxn()
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
      const bytes = encode(session)
      await written(environment, () => environment.batch(() => {
        void sessions.put(session.ref, bytes, session.revision)
        index.put(session)
      }))
    },

    replace: async (session) => {
      const bytes = encode(session)
      const isReplaced = await written(environment, () => sessions.put(session.ref, bytes, session.revision, session.revision - 1))
      if (isReplaced) changes.tell({ kind: 'session', ref: session.ref })
      return isReplaced
    },

    end: (ref) => guarded(environment, async () => {
      kept.delete(ref)
      const isEnded = await removeOnce(ref)
      // Also when another one has: what it did may not be on the disk yet.
      await environment.flushed
      if (isEnded) changes.tell({ kind: 'session', ref })
      return isEnded
    }),

    async * list (scope) {
      const slices = index.refsOf(scope)
      const nextSlice = () => guarded(environment, async () => {
        const slice = await slices.next()
        return slice.done === true ? undefined : slice.value.flatMap((ref) => readUnkept(ref))
      })
      for (let slice = await nextSlice(); slice !== undefined; slice = await nextSlice()) {
        for (const session of slice) if (isInScope(session, scope)) yield session
      }
    },

    sweep: (now, idleSince) => guarded(environment, () => sweepTable(
      environment, sessions, (bytes) => bytes.readDoubleBE(0) <= now || bytes.readDoubleBE(8) <= idleSince, index.remove,
    )),
  }
}

function sealContext (ref: SessionRef): string {
  return `session:${ref}`
}
