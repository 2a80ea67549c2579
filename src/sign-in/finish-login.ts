import type { Principal } from '../directory/model.ts'
import type { LoginProof } from '../session/login-flow.ts'
import type { SessionLifeDeps } from '../session/start-session.ts'
import type { SessionId } from '../session/session.ts'
import type { SessionStore } from '../session/session-store.ts'
import { decideAccount } from './checks/decide-account.ts'
import { exchangeCode } from './checks/exchange-code.ts'
import { fetchUserinfo, matchTenant } from './checks/fetch-userinfo.ts'
import { findClient } from './checks/find-client.ts'
import { findFlow } from './checks/find-flow.ts'
import { findTenant, matchIssuer } from './checks/find-tenant.ts'
import { readParameters } from './checks/read-parameters.ts'
import { restartStateless } from './checks/restart-stateless.ts'
import { spendCode, spendFlow } from './checks/spend-code.ts'
import { findHeldSessions, isSameEndUser } from './held-sessions.ts'
import { found, type CallbackRequest, type Check, type CheckDeps, type LoginAttempt, type LoginRefusal } from './login-attempt.ts'
import { admit, savePending } from './pending-login.ts'
import type { StartedLogin } from './start-login.ts'

/**
 * The login, from the callback to the decision. Each check runs only if all before it have passed; nothing goes out to an
 * authorization server before `exchangeCode`, and nobody is signed in before the last line.
 */
const checks: readonly Check[] = [
  readParameters, //    each parameter once, a code, a word on whose login it is
  findFlow, //          which pending login of this browser this is, if any
  findTenant, //        a tenant that a signed push made known, and no other than was asked for
  matchIssuer, //       no other server's answer (RFC 9207)
  findClient, //        the client of that tenant and application
  restartStateless, //  no state of ours, and so configured: drop the code, start our own
  spendCode, //         this code is sent now or never
  spendFlow, //         this flow ends now
  exchangeCode, //      code → tokens, at the tenant's own server
  fetchUserinfo, //     tokens → who
  matchTenant, //       who is of this tenant
  decideAccount, //     who may enter
]

export interface FinishLoginDeps extends CheckDeps, SessionLifeDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end' | 'find' | 'list'>
}

/** Why the person is asked first. */
export type Doubt =
  /** This browser began no login, or too long ago. */
  | 'no-marker'
  /** It did, but the settings want more than that. */
  | 'by-setting'
  /** Our own request at the tenant's server has not come back. */
  | 'restart-lost'
  /** Somebody else is signed in in this browser. */
  | 'somebody-else'

export type LoginOutcome =
  | { readonly kind: 'signed-in', readonly sessionId: SessionId, readonly attempt: LoginAttempt, readonly returnTo: string, readonly provenBy: LoginProof }
  /** Nobody is signed in yet: several purchases are open to the person. `secret` is the choice cookie's value. */
  | { readonly kind: 'choose', readonly secret: string, readonly attempt: LoginAttempt }
  /** Nobody is signed in yet: the person at the browser must say that this is they. `secret` is the confirm cookie's value. */
  | { readonly kind: 'confirm', readonly secret: string, readonly attempt: LoginAttempt, readonly because: Doubt }
  | { readonly kind: 'restart', readonly started: StartedLogin, readonly attempt: LoginAttempt }
  | (LoginRefusal & { readonly attempt: LoginAttempt })

export async function finishLogin (deps: FinishLoginDeps, request: CallbackRequest): Promise<LoginOutcome> {
  let attempt: LoginAttempt = request
  for (const check of checks) {
    const result = await check(attempt, deps)
    if (result.kind !== 'passed') return { ...result, attempt }
    attempt = { ...attempt, ...result.found }
  }
  return await welcomeOrAsk(deps, attempt)
}

async function welcomeOrAsk (deps: FinishLoginDeps, attempt: LoginAttempt): Promise<LoginOutcome> {
  const { held, lostRestart, cookieHeader } = attempt
  const returnTo = (held?.flow ?? lostRestart)?.returnTo ?? '/'
  const about = {
    principal: found(attempt, 'principal'),
    knownLoss: found(attempt, 'knownLoss'),
    clientId: found(attempt, 'client').clientId,
    tokens: found(attempt, 'tokens'),
    returnTo,
    // Who was sent to the tenant's server was counted then.
    ...(lostRestart !== undefined || held?.flow.kind === 'authorize' ? { isCounted: true } as const : {}),
  }
  const because = await doubtOf(deps, attempt, about.principal)
  if (because !== undefined) return { kind: 'confirm', secret: await savePending(deps, about), attempt, because }
  const provenBy = held?.flow.kind === 'authorize' ? 'state' : 'marker'
  const admission = await admit(deps, { ...about, provenBy }, found(attempt, 'mustChoose'), cookieHeader)
  return admission.kind === 'choose' ? { ...admission, attempt } : { ...admission, attempt, returnTo, provenBy }
}

/**
 * Why it isn't clear that the person at the browser wants this login; `undefined` if it is.
 *
 * Nobody is switched without a word, whatever the proof: with a login left open in a second tab, another site's code would swap the
 * person, and a code that was exchanged for our own request would still swap the enterprise (`login.md` Q1; T-11).
 */
async function doubtOf (deps: FinishLoginDeps, attempt: LoginAttempt, principal: Principal): Promise<Doubt | undefined> {
  const { held, lostRestart, cookieHeader } = attempt
  if (lostRestart !== undefined) return 'restart-lost'
  if (held === undefined) return 'no-marker'
  if (held.flow.kind === 'unified' && deps.settings.statelessCallback !== 'marker') return 'by-setting'
  const sessions = await findHeldSessions(deps, cookieHeader)
  return sessions.every((session) => isSameEndUser(session, principal)) ? undefined : 'somebody-else'
}
