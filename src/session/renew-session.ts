import type { Clock } from '../base/clock.ts'
import { nextAttemptAt, renewalDueAt } from './life-rules.ts'
import type { Session, SessionRef, TokenSet } from './session.ts'
import type { SessionStore } from './session-store.ts'

/** What the authorization server said to a renewal. */
export type RenewalAnswer =
  | { readonly kind: 'renewed', readonly tokens: TokenSet }
  /** It no longer wants this end-user, or no longer knows the token: the session is over. */
  | { readonly kind: 'refused' }
  /** It said nothing that could be understood: 5xx, 429, time-out, no connection. */
  | { readonly kind: 'unavailable', readonly retryAfterSeconds?: number }

export interface RenewalDeps {
  readonly sessions: Pick<SessionStore, 'find' | 'replace' | 'end'>
  readonly clock: Clock
  readonly askForTokens: (session: Session) => Promise<RenewalAnswer>
  /** `false` if the authorization server, asked with the new token, says that this is no longer its end-user (`login.md` Q13). */
  readonly isStillKnown: (session: Session, tokens: TokenSet) => Promise<boolean>
}

export type Renewal = (session: Session) => Promise<RenewalAnswer['kind']>

/**
 * Renews a session's tokens; one flight per session, whoever else asks meanwhile shares it (T-28). A refresh token may be good for
 * one use only (`login.md` §6), so what came back is stored before anybody gets to use it.
 */
export function createRenewal ({ sessions, clock, askForTokens, isStillKnown }: RenewalDeps): Renewal {
  const flights = new Map<SessionRef, Promise<RenewalAnswer['kind']>>()

  async function renew (session: Session): Promise<RenewalAnswer['kind']> {
    const current = await sessions.find(session.ref)
    if (current === undefined) return 'refused'
    // Read before the flight that has just ended: to ask again with a token that is spent would end the session (T-28).
    if (current.tokens.accessToken !== session.tokens.accessToken) return 'renewed'
    if (current.renewalDueAt !== session.renewalDueAt) return 'unavailable'

    const answer = await askForTokens(session)
    const now = clock.now()
    switch (answer.kind) {
      case 'renewed':
        if (!await update(session.ref, { tokens: answer.tokens, renewalDueAt: renewalDueAt(answer.tokens, now) })) return 'refused'
        return await isStillKnown(session, answer.tokens) ? 'renewed' : await end(session.ref)
      case 'refused':
        return await end(session.ref)
      case 'unavailable':
        await update(session.ref, { renewalDueAt: nextAttemptAt(now, answer.retryAfterSeconds) })
        return 'unavailable'
    }
  }

  async function end (ref: SessionRef): Promise<'refused'> {
    await sessions.end(ref)
    return 'refused'
  }

  /** `false` if the session was ended meanwhile; it stays ended. A concurrent write only makes us look again. */
  async function update (ref: SessionRef, change: Partial<Session>): Promise<boolean> {
    for (;;) {
      const current = await sessions.find(ref)
      if (current === undefined) return false
      if (await sessions.replace({ ...current, ...change, revision: current.revision + 1 })) return true
    }
  }

  return (session) => {
    const running = flights.get(session.ref)
    if (running !== undefined) return running
    const flight = renew(session).finally(() => flights.delete(session.ref))
    flights.set(session.ref, flight)
    return flight
  }
}
