import type { Clock } from '../base/clock.ts'
import { createRandomId } from '../base/random-id.ts'
import type { Schedule } from '../base/schedule.ts'
import { nextAttemptAt, renewalDueAt, type SessionLimits } from './life-rules.ts'
import { shortRef, type RenewalAttempts, type Session, type SessionRef, type TokenSet } from './session.ts'
import type { SessionStore } from './session-store.ts'

/** What the authorization server said to a renewal. */
export type RenewalAnswer =
  | { readonly kind: 'renewed', readonly tokens: TokenSet }
  /** It no longer wants this end-user, or no longer knows the token. */
  | { readonly kind: 'refused', readonly detail?: RenewalFailure }
  /** It said nothing that could be understood: 5xx, 429, time-out, no connection. */
  | { readonly kind: 'unavailable', readonly detail?: RenewalFailure, readonly retryAfterSeconds?: number, readonly mayHaveActed: boolean }

/** For the log: short words and numbers, never the server's own sentences. */
export interface RenewalFailure { readonly status?: number, readonly error?: string }

/** `elsewhere`: another gateway is at it. `overtaken`: somebody has tried since the session was read. */
export type AttemptOutcome = RenewalAnswer['kind'] | 'elsewhere' | 'overtaken'

/** `event` is constant, to be searched for and counted; no line holds a token (T-38). */
export type WriteRenewalLog =
  (level: 'info' | 'warn', line: Readonly<Record<string, unknown>> & { readonly event: string }, message: string) => void

export interface RenewalAttemptDeps {
  readonly sessions: Pick<SessionStore, 'find' | 'replace' | 'end'>
  readonly clock: Clock
  readonly schedule: Schedule
  readonly limits: SessionLimits
  /** What bounds `askForTokens`. */
  readonly callTimeoutSeconds: number
  /** 0 to 1, spreads the repeats of many sessions; `Math.random` if absent. */
  readonly random?: () => number
  readonly askForTokens: (session: Session) => Promise<RenewalAnswer>
  /** `false` if the authorization server, asked with the new token, says that this is no longer its end-user (`login.md` Q13). */
  readonly isStillKnown: (session: Session, tokens: TokenSet) => Promise<boolean>
  readonly log: WriteRenewalLog
}

/** How soon to look again whether the store is back, with tokens in hand that nobody else has. */
const storeRepeatMs = 250

/** The call may take its time-out; the store gets as much again before and after it (T-29: a lock shorter than the call is none). */
export function renewalLeaseMs (callTimeoutSeconds: number): number {
  return 2 * callTimeoutSeconds * 1000
}

/**
 * One attempt to renew a session, alone among all gateways on one store (T-28). A refresh token may be good for one use only
 * (`login.md` §6), so the right to use it is taken in the session's own row, by compare-and-set and durably, before the call: whoever
 * would take it at the same time, or write the row from an older reading, finds it changed. What came back is stored before anybody
 * gets to use it.
 *
 * @param session as the caller read it; the attempt is made only if the stored one is still to be renewed in the same way
 */
export async function attemptRenewal (deps: RenewalAttemptDeps, session: Session): Promise<AttemptOutcome> {
  const taken = await take(deps, session)
  if (typeof taken === 'string') return taken
  const { clock, callTimeoutSeconds } = deps
  // Too much of the time went by before the call: another gateway could take over in the middle of it.
  if (clock.now() + callTimeoutSeconds * 1000 > taken.underWay.until) {
    await change(deps, taken, (current) => ({ ...current, renewalAttempts: taken.before }))
    return 'overtaken'
  }
  try {
    return await ask(deps, taken)
  } catch (error) {
    // What it was must reach the caller, whether or not this can be written; if not, the time runs out by itself.
    await change(deps, taken, (current) => ({ ...current, renewalAttempts: { ...taken.before, isInDoubt: true } })).catch(() => {})
    throw error
  }
}

/** An attempt that may be made: the row as it is stored, and what was known of attempts before it. */
interface Taken {
  readonly session: Session
  readonly before: RenewalAttempts
  readonly underWay: NonNullable<RenewalAttempts['underWay']>
}

async function take ({ sessions, clock, callTimeoutSeconds }: RenewalAttemptDeps, seen: Session): Promise<Taken | AttemptOutcome> {
  const holder = createRandomId()
  for (;;) {
    const current = await sessions.find(seen.ref)
    if (current === undefined) return 'refused'
    // Read before a renewal that has just ended: to ask again with a token that is spent would end the session (T-28).
    if (!isSameToken(current.tokens, seen.tokens)) return 'renewed'
    if (current.renewalDueAt !== seen.renewalDueAt) return 'overtaken'
    const now = clock.now()
    const { failures = 0, isInDoubt = false, underWay: other } = current.renewalAttempts ?? {}
    if (other !== undefined && now < other.until) return 'elsewhere'
    // Whose time ran out may have been answered: nobody knows.
    const before = { failures, isInDoubt: isInDoubt || other !== undefined }
    const underWay = { holder, until: now + renewalLeaseMs(callTimeoutSeconds) }
    const session = { ...current, renewalAttempts: { ...before, underWay }, revision: current.revision + 1 }
    if (await sessions.replace(session)) return { session, before, underWay }
  }
}

async function ask (deps: RenewalAttemptDeps, taken: Taken): Promise<AttemptOutcome> {
  const { clock, limits, log, random = Math.random } = deps
  const { session, before } = taken
  const answer = await deps.askForTokens(session)
  const now = clock.now()
  const line = { sessionRef: shortRef(session.ref), tenantId: session.tenantId }
  switch (answer.kind) {
    case 'renewed': {
      const { tokens } = answer
      const kept = await keep(deps, taken, tokens, now)
      if (kept !== 'changed') return kept
      if (!await deps.isStillKnown(session, tokens)) return await end(deps, session.ref, { ...line, because: 'no-longer-known' })
      log('info', { event: 'session.renewed', ...line }, 'tokens were renewed')
      return 'renewed'
    }
    case 'refused': {
      if (!before.isInDoubt || now >= session.tokens.expiresAt) {
        // Changes nothing but the revision: if it goes through, this is still our attempt.
        const kept = await change(deps, taken, (current) => current)
        return kept === 'changed' ? await end(deps, session.ref, { ...line, because: 'refused', ...answer.detail }) : kept
      }
      // An answer that got lost may have held the successor of this token; the access token is still good (`login.md` Q12).
      const { refreshToken: _spent, ...tokens } = session.tokens
      const kept = await change(deps, taken, (current) => ({ ...withoutAttempts(current), tokens }))
      if (kept === 'changed') {
        log('warn', { event: 'session.renewal-lost', ...line, ...answer.detail }, 'refused after an attempt of unknown outcome: the session lives until its token ends')
      }
      return kept === 'changed' ? 'unavailable' : kept
    }
    case 'unavailable': {
      const failures = before.failures + 1
      const renewalAttempts = { failures, isInDoubt: before.isInDoubt || answer.mayHaveActed }
      const due = nextAttemptAt(session, now, { failures, askedSeconds: answer.retryAfterSeconds, random: random() }, limits)
      const kept = await change(deps, taken, (current) => ({ ...current, renewalAttempts, renewalDueAt: due }))
      log('warn', { event: 'session.renewal-unavailable', ...line, ...answer.detail, failures, nextAttemptAt: new Date(due).toISOString() }, 'the authorization server gave no answer to a renewal')
      return kept === 'changed' ? 'unavailable' : kept
    }
  }
}

async function end ({ sessions, log }: RenewalAttemptDeps, ref: SessionRef, line: Record<string, unknown>): Promise<'refused'> {
  await sessions.end(ref)
  log('info', { event: 'session.renewal-refused', ...line }, 'the session was ended')
  return 'refused'
}

function withoutAttempts ({ renewalAttempts: _attempts, ...session }: Session): Session {
  return session
}

/**
 * Writes what came of an attempt. Only its own: after its time another gateway may have taken over, and what that one finds out counts.
 * A concurrent write only makes us look again.
 */
async function change (deps: RenewalAttemptDeps, taken: Taken, to: (current: Session) => Session): Promise<'changed' | AttemptOutcome> {
  return await write(deps, taken, to, (current) => current.renewalAttempts?.underWay?.holder === taken.underWay.holder)
}

/**
 * Stores new tokens, as long as the ones they came for are still there: nobody else has them, and the ones before are spent. So a store
 * that is away for a moment is asked again until the attempt's time is over.
 */
async function keep (deps: RenewalAttemptDeps, taken: Taken, tokens: TokenSet, now: number): Promise<'changed' | AttemptOutcome> {
  const to = (current: Session): Session => ({ ...withoutAttempts(current), tokens, renewalDueAt: renewalDueAt(tokens, now) })
  for (;;) {
    try {
      const kept = await write(deps, taken, to, () => true)
      // A write that seemed to fail may have been done.
      if (kept !== 'renewed') return kept
      const current = await deps.sessions.find(taken.session.ref)
      return current !== undefined && isSameToken(current.tokens, tokens) ? 'changed' : kept
    } catch (error) {
      if (deps.clock.now() >= taken.underWay.until) throw error
      await new Promise<void>((resolve) => { deps.schedule(storeRepeatMs, resolve) })
    }
  }
}

async function write (
  { sessions }: RenewalAttemptDeps, { session }: Taken, to: (current: Session) => Session, isOurs: (current: Session) => boolean,
): Promise<'changed' | AttemptOutcome> {
  for (;;) {
    const current = await sessions.find(session.ref)
    // Ended meanwhile; it stays ended (T-13).
    if (current === undefined) return 'refused'
    if (!isSameToken(current.tokens, session.tokens)) return 'renewed'
    if (!isOurs(current)) return 'elsewhere'
    if (await sessions.replace({ ...to(current), revision: current.revision + 1 })) return 'changed'
  }
}

/** A server may give out the same access token for longer. A refresh token that was given up makes no other token set. */
function isSameToken (one: TokenSet, other: TokenSet): boolean {
  return one.accessToken === other.accessToken && one.expiresAt === other.expiresAt
}
