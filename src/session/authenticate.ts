import type { Clock } from '../base/clock.ts'
import type { ContractRules } from '../directory/contract.ts'
import { decideAccess, type AccessDecision } from '../directory/decide-access.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { Authentication, LoginReason } from './authentication.ts'
import { cookieNames, cookieValues } from './cookies.ts'
import { isSightingDue, judgeLife, judgeTokens, type SessionLimits } from './life-rules.ts'
import type { Renewal } from './renew-session.ts'
import { sessionRefOf, type Session, type SessionRef } from './session.ts'
import type { SessionStore } from './session-store.ts'

export interface AuthenticateDeps {
  readonly sessions: Pick<SessionStore, 'find' | 'replace' | 'end'>
  readonly directory: Pick<DirectoryStore, 'viewAccess' | 'revisionOf'>
  readonly clock: Clock
  readonly limits: SessionLimits
  readonly contract: ContractRules
  readonly renewal: Pick<Renewal, 'attempt' | 'finish'>
  /** Told of what went wrong beside a request, with nobody to answer to. */
  readonly onBackgroundFault: (error: unknown, ref: SessionRef) => void
}

export type Authenticate = (cookieHeader: string | undefined) => Promise<Authentication>

/**
 * Whether a session that let a request in would let it in now. As `Authenticate` judges, but for one thing: it is asked by us, not by
 * the person, so it is no sign of life and moves no idle limit. Of a session that is gone it still says why: whoever saw the loss of
 * access first, another worker or another request, has ended it.
 */
export type Recheck = (known: KnownSession) => Promise<Authentication>

/** What somebody remembers of a session while something of it is open. */
export type KnownSession = Pick<Session, 'ref' | 'tenantId' | 'appId' | 'userName' | 'role' | 'instanceId' | 'knownLoss'>

type Allowance = Extract<AccessDecision, { kind: 'allow' }>
type StaleTokens = Exclude<ReturnType<typeof judgeTokens>, 'fresh'>

const idForm = /^[\w-]{43}$/

/**
 * Who a request comes from, and whether the directory still lets them in. Asked anew for each request: one read of the session,
 * one of the tenant's revision; the directory's rows are read again only after a push for the
 * tenant, or when the time has come at which the decision said that it ends.
 */
export function createAuthenticator (deps: AuthenticateDeps): { readonly authenticate: Authenticate, readonly recheck: Recheck } {
  const { sessions, directory, clock, limits, contract, renewal } = deps
  // The store hands out the same object as long as the session is unchanged.
  const decisions = new WeakMap<Session, { revision: number, decision: Allowance }>()

  async function view (session: KnownSession, now: number): Promise<AccessDecision> {
    const rows = await directory.viewAccess('production', session.tenantId, session.appId, session.userName)
    return decideAccess(rows, { now, contract, knownLoss: session.knownLoss, chosen: session.instanceId })
  }

  async function decide (session: Session, revision: number, now: number): Promise<AccessDecision> {
    const decision = await view(session, now)
    if (decision.kind === 'allow') decisions.set(session, { revision, decision })
    return decision
  }

  async function over (session: Session, because: LoginReason): Promise<Authentication> {
    await sessions.end(session.ref)
    return { kind: 'login', because }
  }

  function inBackground (work: Promise<unknown>, session: Session): void {
    work.catch((error: unknown) => { deps.onBackgroundFault(error, session.ref) })
  }

  /** A concurrent write, such as a renewal's, only makes us look again: it may be the one sign of life for a long time. */
  async function noteSighting (session: Session, now: number): Promise<void> {
    for (let current: Session | undefined = session; current !== undefined && isSightingDue(current, now, limits);) {
      if (await sessions.replace({ ...current, lastSeenAt: now, revision: current.revision + 1 })) return
      current = await sessions.find(session.ref)
    }
  }

  /** `undefined` if the session may go on. */
  async function treatTokens (session: Session, state: StaleTokens): Promise<Authentication | undefined> {
    switch (state) {
      case 'ended': return await over(session, 'tokens-ended')
      case 'await': return await renewal.finish(session) === 'renewed' ? undefined : await over(session, 'tokens-ended')
      case 'background':
        inBackground(renewal.attempt(session), session)
        return undefined
    }
  }

  async function judge (ref: SessionRef): Promise<Authentication> {
    const session = await sessions.find(ref)
    if (session === undefined) return { kind: 'login', because: 'session-unknown' }

    const now = clock.now()
    const life = judgeLife(session, now, limits)
    if (life !== 'live') return await over(session, life === 'idle' ? 'session-idle' : 'session-expired')

    // Read before the rows: a push in between makes this decision old, never the next one wrong.
    const revision = await directory.revisionOf('production', session.tenantId)
    const known = decisions.get(session)
    const isStanding = known !== undefined && known.revision === revision && now < (known.decision.until ?? Infinity)
    const decision = isStanding ? known.decision : await decide(session, revision, now)
    if (decision.kind === 'refuse') {
      if (decision.reason === 'choice-needed') return { kind: 'choose', session }
      await sessions.end(session.ref)
      return { ...decision, ref: session.ref }
    }
    // Other rights are for another session (T-12): what the application was told at the beginning of this one must not outlive them.
    if (session.role !== undefined && session.role !== decision.principal.role) return await over(session, 'role-changed')

    const tokens = judgeTokens(session, now, limits)
    const outcome = tokens === 'fresh' ? undefined : await treatTokens(session, tokens)
    if (outcome !== undefined) return outcome
    return { kind: 'allow', session, principal: decision.principal }
  }

  const recheck: Recheck = async (known) => {
    const authentication = await judge(known.ref)
    if (authentication.kind !== 'login' || authentication.because !== 'session-unknown') return authentication
    const decision = await view(known, clock.now())
    if (decision.kind === 'refuse') return decision.reason === 'choice-needed' ? authentication : { ...decision, ref: known.ref }
    return known.role !== undefined && known.role !== decision.principal.role ? { kind: 'login', because: 'role-changed' } : authentication
  }

  const authenticate: Authenticate = async (cookieHeader) => {
    const [id, ...others] = cookieValues(cookieHeader, cookieNames.session)
    if (id === undefined) return { kind: 'login', because: 'no-cookie' }
    if (others.length > 0) return { kind: 'login', because: 'cookie-ambiguous' }
    if (!idForm.test(id)) return { kind: 'login', because: 'session-unknown' }
    const authentication = await judge(sessionRefOf(id))
    if (authentication.kind === 'allow') {
      const { session } = authentication
      const now = clock.now()
      if (isSightingDue(session, now, limits)) inBackground(noteSighting(session, now), session)
    }
    return authentication
  }

  return { authenticate, recheck }
}
