import { sha256 } from '../../../base/digest.ts'
import type { TenantId } from '../../../directory/model.ts'
import type { Session, SessionRef } from '../../../session/session.ts'
import type { SessionScope } from '../../../session/session-store.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

/** A session that is not there so long after its entry was written will not come. */
const aheadMs = 60_000
/** Read at once; in the same step of Redis everybody else waits. */
const membersAtOnce = 200

/** Where a session stands in the index. It is kept with the session, which itself is sealed; it names nobody but the enterprise. */
export interface SessionPlace {
  readonly ref: SessionRef
  readonly tenantId: TenantId
  /** Hash of who it is. */
  readonly user: string
}

export interface DueSession extends SessionPlace {
  /** Whether the entry is of so long ago that, if there is no session, none will come. */
  readonly isSettled: boolean
}

/** What a look at the session itself has shown. */
export interface SessionSighting {
  readonly place: SessionPlace
  readonly lastSeenAt: number
  readonly endsAt: number
}

/**
 * Finds sessions by whose they are. The lists of one enterprise lie in its slot, the sessions in slots of their own: so an entry
 * is written ahead of its session and removed after it. It may name a session that isn't there; it never lacks one that is.
 */
export interface RedisSessionIndex {
  placeOf (session: Session): SessionPlace
  add (session: Session): Promise<void>
  remove (tenantId: TenantId, places: readonly SessionPlace[]): Promise<void>
  /** What may be over: by its end, or because at the last look it had not been seen since. Only that much is read. */
  listDue (tenantId: TenantId, now: number, idleSince: number): Promise<DueSession[]>
  /** Puts off the next look at sessions that were seen since. */
  noteSightings (tenantId: TenantId, sightings: readonly SessionSighting[]): Promise<void>
  refsOf (scope: SessionScope): AsyncGenerator<SessionRef[]>
  tenants (): AsyncGenerator<TenantId[]>
}

export function openRedisSessionIndex (connection: RedisConnection): RedisSessionIndex {
  const { keys, reads } = connection
  const tenantsKey = keys.market('production', 'tenants-with-sessions')
  const endsKey = (tenantId: TenantId): string => keys.tenant('production', tenantId, 'sessions', 'end')
  const seenKey = (tenantId: TenantId): string => keys.tenant('production', tenantId, 'sessions', 'seen')
  const userKey = (tenantId: TenantId, user: string): string => keys.tenant('production', tenantId, 'sessions', 'of', user)
  const memberOf = ({ user, ref }: SessionPlace): string => `${user}:${ref}`
  const placeFrom = (tenantId: TenantId, member: string): SessionPlace => {
    const [user = '', ...ref] = member.split(':')
    return { tenantId, user, ref: ref.join(':') as SessionRef }
  }

  async function * membersOf (scan: (cursor: string) => Promise<[cursor: string, members: string[]]>): AsyncGenerator<string[]> {
    const seen = new Set<string>()
    let cursor = '0'
    do {
      // Unlike pages by number it misses nothing while others add and remove; but it may give the same twice.
      const [next, found] = await scan(cursor)
      const members = found.filter((member) => !seen.has(member))
      for (const member of members) seen.add(member)
      if (members.length > 0) yield [...new Set(members)]
      cursor = next
    } while (cursor !== '0')
  }

  const sortedMembers = (key: string): AsyncGenerator<string[]> => membersOf(async (cursor) => {
    const [next, found] = await reads.zscan(key, cursor, 'COUNT', membersAtOnce)
    return [next, found.filter((_, at) => at % 2 === 0)]
  })

  async function * tenants (): AsyncGenerator<TenantId[]> {
    yield * membersOf((cursor) => reads.sscan(tenantsKey, cursor, 'COUNT', membersAtOnce)) as AsyncGenerator<TenantId[]>
  }

  async function * refsOf (scope: SessionScope): AsyncGenerator<SessionRef[]> {
    switch (scope.kind) {
      case 'user':
        yield * sortedMembers(userKey(scope.tenantId, userHash(scope))) as AsyncGenerator<SessionRef[]>
        return
      case 'tenant':
        for await (const members of sortedMembers(endsKey(scope.tenantId))) {
          yield members.map((member) => placeFrom(scope.tenantId, member).ref)
        }
        return
      case 'all':
        for await (const slice of tenants()) for (const tenantId of slice) yield * refsOf({ kind: 'tenant', tenantId })
    }
  }

  return {
    refsOf,
    tenants,
    placeOf: (session) => ({ ref: session.ref, tenantId: session.tenantId, user: userHash(session) }),

    async add (session) {
      const { ref, tenantId, endsAt, lastSeenAt } = session
      const place = { ref, tenantId, user: userHash(session) }
      const tenantList = new SlotBatch()
      tenantList.run('SADD', tenantsKey, tenantId)
      const entries = new SlotBatch()
      entries.run('ZADD', endsKey(tenantId), endsAt, memberOf(place))
      entries.run('ZADD', seenKey(tenantId), lastSeenAt, memberOf(place))
      entries.run('ZADD', userKey(tenantId, place.user), endsAt, ref)
      await Promise.all([connection.commit(tenantList), connection.commit(entries)])
    },

    async remove (tenantId, places) {
      if (places.length === 0) return
      const batch = new SlotBatch()
      for (const place of places) {
        batch.run('ZREM', endsKey(tenantId), memberOf(place))
        batch.run('ZREM', seenKey(tenantId), memberOf(place))
        batch.run('ZREM', userKey(tenantId, place.user), place.ref)
      }
      await connection.commitLoosely(batch)
    },

    async listDue (tenantId, now, idleSince) {
      const [ended, idle] = await Promise.all([
        reads.zrangebyscore(endsKey(tenantId), '-inf', now, 'LIMIT', 0, membersAtOnce),
        reads.zrangebyscore(seenKey(tenantId), '-inf', idleSince, 'WITHSCORES', 'LIMIT', 0, membersAtOnce),
      ])
      const due = new Map(ended.map((member) => [member, true]))
      for (let at = 0; at < idle.length; at += 2) {
        const [member = '', seenAt] = idle.slice(at, at + 2)
        if (!due.has(member)) due.set(member, Number(seenAt) <= now - aheadMs)
      }
      return [...due].map(([member, isSettled]) => ({ ...placeFrom(tenantId, member), isSettled }))
    },

    async noteSightings (tenantId, sightings) {
      if (sightings.length === 0) return
      const batch = new SlotBatch()
      // Only where it still stands: a session that has ended meanwhile gets no new entry.
      for (const { place, lastSeenAt, endsAt } of sightings) {
        batch.run('ZADD', seenKey(tenantId), 'XX', lastSeenAt, memberOf(place))
        batch.run('ZADD', endsKey(tenantId), 'XX', endsAt, memberOf(place))
      }
      await connection.commitLoosely(batch)
    },
  }
}

function userHash ({ tenantId, appId, userName }: Pick<Session, 'tenantId' | 'appId' | 'userName'>): string {
  return sha256(JSON.stringify([tenantId, appId, userName]))
}
