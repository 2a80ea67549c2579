import type { Session, TokenSet } from './session.ts'

/** Limits of a session's life, all on by default (C-23: NIST SP 800-63B AAL2 asks for idle ≤ 1 h, absolute ≤ 24 h). */
export interface SessionLimits {
  readonly idleTimeoutSeconds: number
  readonly absoluteTimeoutSeconds: number
  /** How long a session outlives its access token while nobody answers a renewal. */
  readonly renewalGraceSeconds: number
}

const longestLeadMs = 300_000
/** A first repeat soon enough to catch a short outage; further ones so far apart that they don't add to a long one. */
const firstRepeatMs = 30_000
const longestRepeatMs = 120_000
/** Written once a minute at most, so that reading a page isn't a disk write; sooner where the idle limit itself is short. */
const longestRoundingMs = 60_000

export function judgeLife (session: Session, now: number, limits: SessionLimits): 'live' | 'idle' | 'expired' {
  if (now >= session.endsAt) return 'expired'
  return now - session.lastSeenAt >= limits.idleTimeoutSeconds * 1000 ? 'idle' : 'live'
}

export function isSightingDue (session: Session, now: number, { idleTimeoutSeconds }: SessionLimits): boolean {
  return now - session.lastSeenAt >= Math.min(longestRoundingMs, idleTimeoutSeconds * 100)
}

/** Renew in the last fifth of a token's life, five minutes at most: a short-lived token isn't renewed with each request. */
export function renewalDueAt (tokens: TokenSet, now: number): number {
  return tokens.expiresAt - Math.min(longestLeadMs, Math.max(0, tokens.expiresAt - now) / 5)
}

/** How far away the next attempt is after so many failures. `random` (0 to 1) spreads the sessions of an outage over half as much again. */
export function repeatAfterMs (failures: number, random: number): number {
  return Math.round(Math.min(firstRepeatMs * 2 ** (failures - 1), longestRepeatMs) * (1 + random / 2))
}

export interface FailedAttempts {
  readonly failures: number
  /** `Retry-After` of the last answer. */
  readonly askedSeconds: number | undefined
  /** 0 to 1 */
  readonly random: number
}

/**
 * When to try again. Our own patience ends with the session's grace, so that it isn't ended untried; the server's word doesn't
 * (`login.md` Q12).
 */
export function nextAttemptAt (session: Session, now: number, attempts: FailedAttempts, limits: SessionLimits): number {
  const own = Math.min(now + repeatAfterMs(attempts.failures, attempts.random), graceEndsAt(session, limits))
  return Math.max(own, now + (attempts.askedSeconds ?? 0) * 1000)
}

function graceEndsAt ({ tokens }: Session, { renewalGraceSeconds }: SessionLimits): number {
  return tokens.expiresAt + renewalGraceSeconds * 1000
}

/**
 * What a session's tokens ask for now. `ended`: nothing can renew them. `await`: their grace is over too, so the request must know
 * the outcome first. `background`: renew beside the request.
 */
export function judgeTokens (session: Session, now: number, limits: SessionLimits): 'fresh' | 'background' | 'await' | 'ended' {
  const { expiresAt, refreshToken } = session.tokens
  if (refreshToken === undefined) return now < expiresAt ? 'fresh' : 'ended'
  if (now >= graceEndsAt(session, limits)) return 'await'
  return now < session.renewalDueAt ? 'fresh' : 'background'
}
