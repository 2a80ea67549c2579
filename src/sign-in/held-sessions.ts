import type { Clock } from '../base/clock.ts'
import type { Principal } from '../directory/model.ts'
import { cookieNames, cookieValues } from '../session/cookies.ts'
import { judgeLife, type SessionLimits } from '../session/life-rules.ts'
import { sessionRefOf, type Session } from '../session/session.ts'
import type { SessionStore } from '../session/session-store.ts'

interface Deps {
  readonly sessions: Pick<SessionStore, 'find'>
  readonly clock: Clock
  readonly limits: SessionLimits
}

/** The living sessions that this browser holds a cookie of. Whether they may still enter is not asked. */
export async function findHeldSessions ({ sessions, clock, limits }: Deps, cookieHeader: string | undefined): Promise<Session[]> {
  const held = await Promise.all(cookieValues(cookieHeader, cookieNames.session).map((id) => sessions.find(sessionRefOf(id))))
  return held.filter((session) => session !== undefined && judgeLife(session, clock.now(), limits) === 'live') as Session[]
}

type EndUser = Pick<Principal, 'tenantId' | 'userName'>

/** The same account, which is unique inside its tenant only (C-12). */
export function isSameEndUser (a: EndUser, b: EndUser): boolean {
  return a.tenantId === b.tenantId && a.userName === b.userName
}
