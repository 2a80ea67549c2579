import type { Clock } from '../base/clock.ts'
import { createRandomId } from '../base/random-id.ts'
import type { Principal, PushVersion } from '../directory/model.ts'
import { cookieNames, cookieValues } from './cookies.ts'
import { renewalDueAt, type SessionLimits } from './life-rules.ts'
import { sessionRefOf, type Session, type SessionId, type TokenSet } from './session.ts'
import type { SessionStore } from './session-store.ts'

export interface SessionLifeDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end'>
  readonly clock: Clock
  readonly limits: SessionLimits
}

/** What a finished login leaves behind. */
export interface SignedIn {
  readonly principal: Principal
  readonly knownLoss: PushVersion | ''
  readonly clientId: string
  readonly tokens: TokenSet
}

/**
 * A new session under a new id, whatever the browser brought; what it brought ends (session fixation, T-12; C-21).
 *
 * @returns the id for the cookie, the only time anybody sees it
 */
export async function startSession (deps: SessionLifeDeps, signedIn: SignedIn, cookieHeader: string | undefined): Promise<SessionId> {
  const { principal, ...rest } = signedIn
  const id = createRandomId() as SessionId
  const now = deps.clock.now()
  const session: Session = {
    ...rest,
    ref: sessionRefOf(id),
    tenantId: principal.tenantId,
    appId: principal.appId,
    userName: principal.userName,
    createdAt: now,
    endsAt: now + deps.limits.absoluteTimeoutSeconds * 1000,
    lastSeenAt: now,
    renewalDueAt: renewalDueAt(rest.tokens, now),
    revision: 1,
  }
  await deps.sessions.create(session)
  await endSessions(deps, cookieHeader)
  return id
}

/** Ends every session that a browser holds a cookie of, tokens included. */
export async function endSessions ({ sessions }: { sessions: Pick<SessionStore, 'end'> }, cookieHeader: string | undefined): Promise<void> {
  for (const id of cookieValues(cookieHeader, cookieNames.session)) await sessions.end(sessionRefOf(id))
}
