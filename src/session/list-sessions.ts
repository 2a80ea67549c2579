import type { Clock } from '../base/clock.ts'
import { judgeLife, type SessionLimits } from './life-rules.ts'
import type { Session, SessionRef } from './session.ts'
import type { SessionScope, SessionStore } from './session-store.ts'

/** What may be told of a session: neither its id nor its tokens. */
export type SessionFacts = Pick<Session, 'ref' | 'tenantId' | 'appId' | 'userName' | 'createdAt' | 'lastSeenAt' | 'endsAt'>

export interface ListSessionsDeps {
  readonly sessions: Pick<SessionStore, 'list'>
  readonly clock: Clock
  readonly limits: SessionLimits
}

/** The living sessions of a scope (C-28, C-29), in no order; what is over is none, swept or not. */
export async function * listSessions ({ sessions, clock, limits }: ListSessionsDeps, scope: SessionScope): AsyncGenerator<SessionFacts> {
  for await (const session of sessions.list(scope)) {
    if (judgeLife(session, clock.now(), limits) !== 'live') continue
    const { ref, tenantId, appId, userName, createdAt, lastSeenAt, endsAt } = session
    yield { ref, tenantId, appId, userName, createdAt, lastSeenAt, endsAt }
  }
}

/** The sessions of whoever this session is of, the current one first, then the last seen. */
export async function listOwnSessions (
  deps: ListSessionsDeps, own: Session,
): Promise<ReadonlyArray<SessionFacts & { readonly isCurrent: boolean }>> {
  const { tenantId, appId, userName } = own
  const found = []
  for await (const facts of listSessions(deps, { kind: 'user', tenantId, appId, userName })) {
    found.push({ ...facts, isCurrent: facts.ref === own.ref })
  }
  return found.sort((a, b) => Number(b.isCurrent) - Number(a.isCurrent) || b.lastSeenAt - a.lastSeenAt || b.createdAt - a.createdAt)
}

/** As many as are ended at a time: each is a durable write. */
const endsAtOnce = 50

/**
 * Ends every session of a scope, those that are over and not yet swept too. One that begins meanwhile may stay.
 *
 * @param onEnded told of each that this call has ended, for the audit log
 * @returns how many it ended
 */
export async function endSessionsIn (
  { sessions }: { sessions: Pick<SessionStore, 'list' | 'end'> }, scope: SessionScope, onEnded: (session: Session) => void,
): Promise<number> {
  const waiting: Session[] = []
  let ended = 0
  const endWaiting = async (): Promise<void> => {
    const batch = waiting.splice(0)
    const outcomes = await Promise.all(batch.map(({ ref }) => sessions.end(ref)))
    for (const session of batch.filter((_, index) => outcomes[index])) {
      onEnded(session)
      ended++
    }
  }
  for await (const session of sessions.list(scope)) {
    if (waiting.push(session) === endsAtOnce) await endWaiting()
  }
  await endWaiting()
  return ended
}

/**
 * Ends one of the sessions of whoever `own` is of; a ref of somebody else's is as good as none (C-29).
 *
 * @returns what was ended; `undefined` if there is no such session of this person
 */
export async function endOwnSession (
  { sessions }: { sessions: Pick<SessionStore, 'find' | 'end'> }, own: Session, ref: SessionRef,
): Promise<Session | undefined> {
  const session = await sessions.find(ref)
  if (session?.tenantId !== own.tenantId || session.appId !== own.appId || session.userName !== own.userName) return undefined
  return await sessions.end(ref) ? session : undefined
}
