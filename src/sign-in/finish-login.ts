import { createRandomId } from '../base/random-id.ts'
import { cookieNames, cookieValues } from '../session/cookies.ts'
import { judgeLife } from '../session/life-rules.ts'
import { startSession, type SessionLifeDeps, type SignedIn } from '../session/start-session.ts'
import { sessionRefOf, type SessionId } from '../session/session.ts'
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
import { flowRefOf } from './flow-cookies.ts'
import { found, type CallbackRequest, type Check, type CheckDeps, type LoginAttempt, type LoginRefusal } from './login-attempt.ts'
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
  restartStateless, //  not our login, and so configured: drop the code, start our own
  spendCode, //         this code is sent now or never
  spendFlow, //         this flow ends now
  exchangeCode, //      code → tokens, at the tenant's own server
  fetchUserinfo, //     tokens → who
  matchTenant, //       who is of this tenant
  decideAccount, //     who may enter
]

/** How long a person may look at the confirm page. */
export const confirmationLifetimeSeconds = 300

export interface FinishLoginDeps extends CheckDeps, SessionLifeDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end' | 'find'>
}

export type LoginOutcome =
  | { readonly kind: 'signed-in', readonly sessionId: SessionId, readonly attempt: LoginAttempt, readonly returnTo: string }
  /** Nobody is signed in yet: the person at the browser must say that this is they. `secret` is the confirm cookie's value. */
  | { readonly kind: 'confirm', readonly secret: string }
  | { readonly kind: 'restart', readonly started: StartedLogin }
  | (LoginRefusal & { readonly attempt: LoginAttempt })

export async function finishLogin (deps: FinishLoginDeps, request: CallbackRequest): Promise<LoginOutcome> {
  let attempt: LoginAttempt = request
  for (const check of checks) {
    const result = await check(attempt, deps)
    if (result.kind === 'refused') return { ...result, attempt }
    if (result.kind === 'restart') return result
    attempt = { ...attempt, ...result.found }
  }
  const signedIn: SignedIn = {
    principal: found(attempt, 'principal'),
    knownLoss: found(attempt, 'knownLoss'),
    clientId: found(attempt, 'client').clientId,
    tokens: found(attempt, 'tokens'),
  }
  if (attempt.held === undefined) return await askForConfirmation(deps, signedIn, '/')
  const { returnTo } = attempt.held.flow
  if (await isSomebodyElseIn(deps, signedIn, request.cookieHeader)) return await askForConfirmation(deps, signedIn, returnTo)
  const sessionId = await startSession(deps, signedIn, request.cookieHeader)
  return { kind: 'signed-in', sessionId, attempt, returnTo }
}

/**
 * Whether this browser holds a living session of another person. A pending login proves that this browser began one, not that the
 * code is the answer to it: with a login left open in a second tab, another site's code would swap the person without a word
 * (`login.md` Q1; T-11).
 */
async function isSomebodyElseIn (
  { sessions, clock, limits }: FinishLoginDeps, { principal }: SignedIn, cookieHeader: string | undefined,
): Promise<boolean> {
  const held = await Promise.all(cookieValues(cookieHeader, cookieNames.session).map((id) => sessions.find(sessionRefOf(id))))
  return held.some((session) => session !== undefined && judgeLife(session, clock.now(), limits) === 'live' &&
    (session.tenantId !== principal.tenantId || session.userName !== principal.userName))
}

async function askForConfirmation ({ flows, clock }: FinishLoginDeps, signedIn: SignedIn, returnTo: string): Promise<LoginOutcome> {
  const secret = createRandomId()
  const expiresAt = clock.now() + confirmationLifetimeSeconds * 1000
  await flows.saveConfirmation({ ...signedIn, ref: flowRefOf(secret), returnTo, expiresAt })
  return { kind: 'confirm', secret }
}
