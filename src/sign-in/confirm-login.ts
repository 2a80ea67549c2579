import { isEqualInConstantTime, sha256 } from '../base/digest.ts'
import type { ContractRules } from '../directory/contract.ts'
import { decideAccess } from '../directory/decide-access.ts'
import { decideEntry } from '../directory/open-instances.ts'
import type { Principal } from '../directory/model.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { LoginFlowStore, PendingConfirmation } from '../session/login-flow.ts'
import type { SessionStore } from '../session/session-store.ts'
import type { SessionLifeDeps } from '../session/start-session.ts'
import { findHeldSessions, isSameEndUser } from './held-sessions.ts'
import { refused, type LoginRefusal } from './login-attempt.ts'
import { admit, findPending, type Admission } from './pending-login.ts'

export interface ConfirmLoginDeps extends SessionLifeDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end' | 'find' | 'list'>
  readonly flows: Pick<LoginFlowStore, 'findConfirmation' | 'consumeConfirmation' | 'saveConfirmation'>
  readonly directory: Pick<DirectoryStore, 'viewAccess'>
  readonly contract: ContractRules
}

/** What the confirm page asks about. */
export interface OpenQuestion {
  readonly pending: PendingConfirmation
  readonly antiForgery: string
}

/** `undefined` if this browser has no question open. */
export async function findQuestion (
  deps: Pick<ConfirmLoginDeps, 'flows' | 'clock'>, cookieHeader: string | undefined,
): Promise<OpenQuestion | undefined> {
  const found = await findPending(deps, 'confirmation', cookieHeader)
  return found === undefined ? undefined : { pending: found.pending, antiForgery: antiForgeryOf(found.secret) }
}

/** Who is signed in until the answer, if that is somebody else: the page names both, so that nobody is switched unawares (T-11). */
export async function findDisplaced (
  deps: ConfirmLoginDeps, { principal }: PendingConfirmation, cookieHeader: string | undefined,
): Promise<Principal | undefined> {
  const { directory, contract, clock } = deps
  const session = (await findHeldSessions(deps, cookieHeader)).find((one) => !isSameEndUser(one, principal))
  if (session === undefined) return undefined
  const view = await directory.viewAccess('production', session.tenantId, session.appId, session.userName)
  const decision = decideAccess(view, { now: clock.now(), contract, knownLoss: session.knownLoss, chosen: session.instanceId })
  return decision.kind === 'allow' ? decision.principal : undefined
}

export type ConfirmOutcome = (Admission & { readonly pending: PendingConfirmation }) | LoginRefusal

/**
 * The person says "yes, that is me": the explicit act that a login from nowhere needs (ASVS 7.6.2). The directory is asked
 * again, since a push may have come while the page was open.
 */
export async function confirmLogin (
  deps: ConfirmLoginDeps, antiForgery: string | undefined, cookieHeader: string | undefined,
): Promise<ConfirmOutcome> {
  const question = await findQuestion(deps, cookieHeader)
  if (question === undefined) return refused('confirmation-expired')
  if (antiForgery === undefined || !isEqualInConstantTime(antiForgery, question.antiForgery)) return refused('cross-site-request')
  const pending = await deps.flows.consumeConfirmation(question.pending.ref)
  if (pending === undefined) return refused('confirmation-expired')
  const { tenantId, appId, userName } = pending.principal
  const view = await deps.directory.viewAccess('production', tenantId, appId, userName)
  const { decision, mustChoose } = decideEntry(view, { now: deps.clock.now(), contract: deps.contract, knownLoss: pending.knownLoss })
  if (decision.kind === 'refuse') return { ...decision, kind: 'refused' }
  const about = { ...pending, principal: decision.principal, provenBy: 'confirmation' } as const
  return { ...await admit(deps, about, mustChoose, cookieHeader), pending: about }
}

/** Only this browser can know it, since only it has the cookie that it is made from. */
function antiForgeryOf (secret: string): string {
  return sha256(`anti-forgery:${secret}`)
}
