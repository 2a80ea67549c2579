import { isEqualInConstantTime, sha256 } from '../base/digest.ts'
import type { AccessView } from '../directory/access-view.ts'
import { decideAccess } from '../directory/decide-access.ts'
import { listOpenInstances, type OpenInstance } from '../directory/open-instances.ts'
import type { ContractRules } from '../directory/contract.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { AppId, InstanceId, Principal, PushVersion, TenantId, UserName } from '../directory/model.ts'
import type { LoginFlowStore, LoginProof, PendingConfirmation } from '../session/login-flow.ts'
import type { Renewal } from '../session/renew-session.ts'
import type { Session, SessionId } from '../session/session.ts'
import type { SessionStore } from '../session/session-store.ts'
import { moveSession, startSession, type SessionLifeDeps } from '../session/start-session.ts'
import { refused, type LoginRefusal } from './login-attempt.ts'
import type { PendingLogin } from './pending-login.ts'

export interface ChooseInstanceDeps extends SessionLifeDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end' | 'find' | 'list'>
  readonly flows: Pick<LoginFlowStore, 'findConfirmation' | 'consumeConfirmation'>
  readonly directory: Pick<DirectoryStore, 'viewAccess'>
  readonly contract: ContractRules
  readonly renewal: Pick<Renewal, 'attempt' | 'finish'>
}

/** Who chooses: somebody whose sign-in waits for it, or whose session goes on in another purchase. */
export type Chooser =
  | { readonly kind: 'sign-in', readonly login: PendingLogin }
  | { readonly kind: 'session', readonly session: Session }

export type ChoiceOutcome =
  | {
    readonly kind: 'chosen'
    readonly sessionId: SessionId
    readonly principal: Principal
    readonly from: InstanceId | undefined
    /** Of a sign-in that is finished by this. */
    readonly signedIn?: { readonly provenBy: LoginProof, readonly isCounted: boolean }
  }
  /** It is the one that the session works in already. */
  | { readonly kind: 'unchanged' }
  /** That one is not open, or no longer: to be asked again. */
  | { readonly kind: 'again' }
  /** The session has ended meanwhile. */
  | { readonly kind: 'over' }
  | LoginRefusal

interface EndUser {
  readonly tenantId: TenantId
  readonly appId: AppId
  readonly userName: UserName
  readonly knownLoss: PushVersion | ''
}

export function endUserOf (chooser: Chooser): EndUser {
  if (chooser.kind === 'session') return chooser.session
  const { principal, knownLoss } = chooser.login.pending
  return { ...principal, knownLoss }
}

/** What the answer must name, so that it is taken for this question: another tab may have brought another person's meanwhile. */
export function questionOf (chooser: Chooser): string {
  return sha256(`choice:${chooser.kind === 'session' ? chooser.session.ref : chooser.login.secret}`)
}

export function isAnswerTo (chooser: Chooser, question: string | undefined): boolean {
  return question !== undefined && isEqualInConstantTime(question, questionOf(chooser))
}

/** What the person may choose among now. */
export async function listChoices (deps: ChooseInstanceDeps, chooser: Chooser): Promise<OpenInstance[]> {
  const { knownLoss } = endUserOf(chooser)
  return listOpenInstances(await viewOf(deps, chooser), { now: deps.clock.now(), contract: deps.contract, knownLoss })
}

function viewOf ({ directory }: ChooseInstanceDeps, chooser: Chooser): Promise<AccessView> {
  const { tenantId, appId, userName } = endUserOf(chooser)
  return directory.viewAccess('production', tenantId, appId, userName)
}

/** The person says in which purchase to work. The directory is asked again, since a push may have come while the page was open. */
export async function chooseInstance (
  deps: ChooseInstanceDeps, chooser: Chooser, wish: string | undefined, cookieHeader: string | undefined,
): Promise<ChoiceOutcome> {
  const { knownLoss } = endUserOf(chooser)
  const rules = { now: deps.clock.now(), contract: deps.contract, knownLoss }
  const view = await viewOf(deps, chooser)
  const isOffered = listOpenInstances(view, rules).some(({ instanceId }) => instanceId === wish)
  const decision = decideAccess(view, { ...rules, chosen: isOffered ? wish as InstanceId : undefined })
  if (decision.kind === 'refuse') return { ...decision, kind: 'refused' }
  if (!isOffered) return { kind: 'again' }
  return chooser.kind === 'session'
    ? await goOn(deps, chooser.session, decision.principal, cookieHeader)
    : await finishSignIn(deps, chooser.login.pending, decision.principal, cookieHeader)
}

async function finishSignIn (
  deps: ChooseInstanceDeps, { ref }: PendingConfirmation, principal: Principal, cookieHeader: string | undefined,
): Promise<ChoiceOutcome> {
  const pending = await deps.flows.consumeConfirmation(ref)
  if (pending?.provenBy === undefined) return refused('confirmation-expired')
  const { knownLoss, clientId, tokens, provenBy, isCounted = false } = pending
  const sessionId = await startSession(deps, { principal, knownLoss, clientId, tokens }, cookieHeader)
  return { kind: 'chosen', sessionId, principal, from: undefined, signedIn: { provenBy, isCounted } }
}

async function goOn (
  deps: ChooseInstanceDeps, session: Session, principal: Principal, cookieHeader: string | undefined,
): Promise<ChoiceOutcome> {
  const { sessions, renewal, clock } = deps
  if (session.instanceId === principal.instanceId) return { kind: 'unchanged' }
  // A renewal under way would bring its tokens to a session that is gone (T-28); what is fresh is not renewed.
  const isDue = session.tokens.refreshToken !== undefined && clock.now() >= session.renewalDueAt
  if (isDue && await renewal.attempt(session) === 'elsewhere') await renewal.finish(session)
  const current = await sessions.find(session.ref)
  if (current === undefined) return { kind: 'over' }
  const sessionId = await moveSession(deps, current, principal, cookieHeader)
  return sessionId === undefined ? { kind: 'over' } : { kind: 'chosen', sessionId, principal, from: session.instanceId }
}
