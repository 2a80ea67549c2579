import type { Clock } from '../base/clock.ts'
import { createRandomId } from '../base/random-id.ts'
import type { Principal, PushVersion } from '../directory/model.ts'
import { cookieNames, cookieValues } from './cookies.ts'
import { judgeLife, renewalDueAt, type SessionLimits } from './life-rules.ts'
import { sessionRefOf, type Session, type SessionId, type TokenSet } from './session.ts'
import type { SessionStore } from './session-store.ts'

export interface SessionLifeDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end' | 'list'>
  readonly clock: Clock
  readonly limits: StartLimits
  /** Told of each session that had to make room, for the audit log. */
  readonly onDisplaced: (session: Session) => void
}

export interface StartLimits extends SessionLimits {
  /** How many sessions one end-user may have at a time (C-24). */
  readonly parallelLimit: number
}

/** What a finished login leaves behind. */
export interface SignedIn {
  readonly principal: Principal
  readonly knownLoss: PushVersion | ''
  readonly clientId: string
  readonly tokens: TokenSet
}

/**
 * A new session under a new id, whatever the browser brought; what it brought ends (session fixation, T-12; C-21). Of more than
 * may live in parallel those end that were not seen for the longest time: the newcomer is in without a question, and somebody who signed
 * in with a stolen password pushes out a session that is missed (C-24).
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
    instanceId: principal.instanceId,
    role: principal.role,
    createdAt: now,
    endsAt: now + deps.limits.absoluteTimeoutSeconds * 1000,
    lastSeenAt: now,
    renewalDueAt: renewalDueAt(rest.tokens, now),
    revision: 1,
  }
  await deps.sessions.create(session)
  await endSessions(deps, cookieHeader)
  await keepToLimit(deps, session)
  return id
}

/** One that began further ahead was made while a clock was wrong: it must not keep its person out until the clock is there again. */
const sameTimeMs = 10_000

/** After the new one is there: of several sign-ins at once each sees the others, and all choose the same to end. */
async function keepToLimit ({ sessions, clock, limits, onDisplaced }: SessionLifeDeps, started: Session): Promise<void> {
  const { tenantId, appId, userName } = started
  const live: Session[] = []
  for await (const session of sessions.list({ kind: 'user', tenantId, appId, userName })) {
    if (session.ref !== started.ref && judgeLife(session, clock.now(), limits) === 'live') live.push(session)
  }
  const isYounger = ({ createdAt, ref }: Session): boolean => {
    const lead = createdAt - started.createdAt
    return lead === 0 ? ref > started.ref : lead > 0 && lead < sameTimeMs
  }
  const older = live.filter((session) => !isYounger(session)).sort((a, b) => a.lastSeenAt - b.lastSeenAt || (a.ref < b.ref ? -1 : 1))
  // Whoever came in after this one stays before it.
  const order = [...older, started, ...live.filter(isYounger)]
  for (const session of order.slice(0, Math.max(0, order.length - limits.parallelLimit))) {
    if (await sessions.end(session.ref)) onDisplaced(session)
  }
}

/**
 * The same sign-in goes on in another purchase: under a new id, since the rights change (C-21), and with the limits of its life
 * unmoved. The tokens must not be due for renewal: a flight under way would rotate them away from the new session.
 *
 * @returns the id for the cookie; `undefined` if the session has ended meanwhile, or was moved by somebody else
 */
export async function moveSession (
  { sessions }: Pick<SessionLifeDeps, 'sessions'>, session: Session, { instanceId, role }: Pick<Principal, 'instanceId' | 'role'>, cookieHeader: string | undefined,
): Promise<SessionId | undefined> {
  const id = createRandomId() as SessionId
  const ref = sessionRefOf(id)
  await sessions.create({ ...session, instanceId, role, ref, revision: 1 })
  // Whoever ends the old one goes on, and nobody else: what was signed out stays so (T-13), and one session never becomes two (C-24).
  const isMoved = await sessions.end(session.ref)
  if (!isMoved) await sessions.end(ref)
  await endSessions({ sessions }, cookieHeader)
  return isMoved ? id : undefined
}

/** Ends every session that a browser holds a cookie of, tokens included. */
export async function endSessions ({ sessions }: { sessions: Pick<SessionStore, 'end'> }, cookieHeader: string | undefined): Promise<void> {
  for (const id of cookieValues(cookieHeader, cookieNames.session)) await sessions.end(sessionRefOf(id))
}
