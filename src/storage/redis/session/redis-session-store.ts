import type { Clock } from '../../../base/clock.ts'
import { faults } from '../../../base/coded-errors.ts'
import type { SealedBox } from '../../../base/sealed-box.ts'
import type { TenantId } from '../../../directory/model.ts'
import { isInScope } from '../../../session/is-in-scope.ts'
import type { Session, SessionRef } from '../../../session/session.ts'
import type { SessionScope, SessionStore } from '../../../session/session-store.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { encodeChange, type RedisChanges } from '../redis-changes.ts'
import { openRedisSessionIndex, type DueSession, type SessionPlace } from './redis-session-index.ts'
import { createSessionMemory, type ReadSession } from './session-memory.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

/** The native expiry is a belt beside the sweep: it must never be the first, also where clocks differ. */
const beltMs = 3_600_000

interface Header extends SessionPlace {
  readonly revision: string
  readonly endsAt: number
  readonly lastSeenAt: number
}

/**
 * Sessions in Redis: a hash each, whose plain fields say what a sweep and a compare-and-set must know, and nothing of the person. Reads
 * may be half a second old, as `SessionMemory` says; writes never rest on memory.
 */
export function openRedisSessionStore (connection: RedisConnection, box: SealedBox, changes: RedisChanges, clock: Clock): SessionStore {
  const { keys, reads } = connection
  const index = openRedisSessionIndex(connection)
  const memory = createSessionMemory(changes, clock)

  const decode = (ref: SessionRef, bytes: Buffer): Session => {
    const opened = box.open(bytes, sealContext(ref))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return JSON.parse(opened.toString()) as Session
  }

  const read = (ref: SessionRef, known?: ReadSession): Promise<ReadSession | undefined> => connection.guarded(async () => {
    const bytes = await reads.hgetBuffer(keys.session(ref), 'sealed')
    if (bytes === null) return undefined
    return known?.bytes.equals(bytes) === true ? known : { bytes, session: decode(ref, bytes) }
  })

  function stage (batch: SlotBatch, session: Session): void {
    const key = keys.session(session.ref)
    batch.put(key, 'revision', session.revision)
    batch.put(key, 'endsAt', session.endsAt)
    batch.put(key, 'lastSeenAt', session.lastSeenAt)
    batch.put(key, 'sealed', box.seal(JSON.stringify(session), sealContext(session.ref)))
    batch.run('PEXPIRE', key, Math.max(session.endsAt - clock.now(), 0) + beltMs)
  }

  /** Commits what changes or ends a session, told to the others in the same step; whatever comes of it, the store must be asked again. */
  async function commit (batch: SlotBatch, ref: SessionRef): Promise<boolean> {
    batch.publish(keys.channel, encodeChange({ kind: 'session', ref }))
    try {
      return await connection.commit(batch) === 0
    } finally {
      // Also after a fault: it may have been done all the same.
      changes.tell({ kind: 'session', ref })
    }
  }

  async function readHeader (place: SessionPlace): Promise<Header | undefined> {
    const [revision, endsAt, lastSeenAt] = await reads.hmget(keys.session(place.ref), 'revision', 'endsAt', 'lastSeenAt')
    return typeof revision === 'string' ? { ...place, revision, endsAt: Number(endsAt), lastSeenAt: Number(lastSeenAt) } : undefined
  }

  /** `false` if it was written meanwhile. */
  async function sweepOne ({ ref, revision }: Header): Promise<boolean> {
    const batch = new SlotBatch()
    batch.expectField(keys.session(ref), 'revision', revision)
    batch.run('DEL', keys.session(ref))
    return await connection.commitLoosely(batch) === 0
  }

  async function sweepSome (tenantId: TenantId, due: readonly DueSession[], isOver: (header: Header) => boolean) {
    const looks = await Promise.all(due.map(async (place) => ({ place, header: await readHeader(place) })))
    const headers = looks.flatMap(({ header }) => header ?? [])
    const over = headers.filter(isOver)
    const outcomes = await Promise.all(over.map(sweepOne))
    const swept = over.filter((_, at) => outcomes[at])
    const missing = looks.filter(({ place, header }) => header === undefined && place.isSettled).map(({ place }) => place)
    const live = headers.filter((header) => !isOver(header))
    await index.remove(tenantId, [...swept, ...missing])
    await index.noteSightings(tenantId, live.map(({ lastSeenAt, endsAt, ...place }) => ({ place, lastSeenAt, endsAt })))
    return { swept: swept.length, settled: swept.length + missing.length + live.length }
  }

  async function sweepTenant (tenantId: TenantId, now: number, idleSince: number): Promise<number> {
    const isOver = ({ endsAt, lastSeenAt }: Header): boolean => endsAt <= now || lastSeenAt <= idleSince
    let removed = 0
    for (;;) {
      const due = await index.listDue(tenantId, now, idleSince)
      const { swept, settled } = await sweepSome(tenantId, due, isOver)
      removed += swept
      if (settled === 0) return removed
    }
  }

  async function * list (scope: SessionScope): AsyncGenerator<Session> {
    const slices = index.refsOf(scope)
    for (;;) {
      const slice = await connection.guarded(() => slices.next())
      if (slice.done === true) return
      const found = await Promise.all(slice.value.map((ref) => read(ref)))
      for (const each of found) if (each !== undefined && isInScope(each.session, scope)) yield each.session
    }
  }

  return {
    find: (ref) => memory.find(ref, (known) => read(ref, known)),

    async create (session) {
      await index.add(session)
      const batch = new SlotBatch()
      batch.put(keys.session(session.ref), 'place', placeText(index.placeOf(session)))
      stage(batch, session)
      await connection.commit(batch)
    },

    async replace (session) {
      const batch = new SlotBatch()
      batch.expectField(keys.session(session.ref), 'revision', session.revision - 1)
      stage(batch, session)
      return await commit(batch, session.ref)
    },

    async end (ref) {
      const key = keys.session(ref)
      const place = await connection.guarded(() => reads.hget(key, 'place'))
      if (place === null) {
        changes.tell({ kind: 'session', ref })
        // The end that removed it may have failed for want of a replica: a failover would bring back what is told to be over (T-13).
        await connection.settle(key)
        return false
      }
      const batch = new SlotBatch()
      // It stays the same through all revisions: whatever is written meanwhile, the end holds.
      batch.expectField(key, 'place', place)
      batch.run('DEL', key)
      const isEnded = await commit(batch, ref)
      // The session is over, whatever becomes of its entry: the sweep looks after those that were left.
      const { tenantId, user } = JSON.parse(place) as Omit<SessionPlace, 'ref'>
      await index.remove(tenantId, [{ ref, tenantId, user }]).catch(() => undefined)
      return isEnded
    },

    list,

    sweep: (now, idleSince) => connection.guarded(async () => {
      let removed = 0
      for await (const slice of index.tenants()) {
        for (const tenantId of slice) removed += await sweepTenant(tenantId, now, idleSince)
      }
      return removed
    }),
  }
}

function placeText ({ tenantId, user }: SessionPlace): string {
  return JSON.stringify({ tenantId, user })
}

function sealContext (ref: SessionRef): string {
  return `session:${ref}`
}
