import { isEqualInConstantTime, sha256 } from '../base/digest.ts'
import type { ContractRules } from '../directory/contract.ts'
import { decideAccess } from '../directory/decide-access.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import { cookieNames, cookieValues } from '../session/cookies.ts'
import type { LoginFlowStore, PendingConfirmation } from '../session/login-flow.ts'
import type { SessionId } from '../session/session.ts'
import { startSession, type SessionLifeDeps } from '../session/start-session.ts'
import { flowRefOf } from './flow-cookies.ts'
import { refused, type LoginRefusal } from './login-attempt.ts'

export interface ConfirmLoginDeps extends SessionLifeDeps {
  readonly flows: Pick<LoginFlowStore, 'findConfirmation' | 'consumeConfirmation'>
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
  { flows, clock }: Pick<ConfirmLoginDeps, 'flows' | 'clock'>, cookieHeader: string | undefined,
): Promise<OpenQuestion | undefined> {
  const [secret, ...others] = cookieValues(cookieHeader, cookieNames.confirmation)
  if (secret === undefined || others.length > 0) return undefined
  const pending = await flows.findConfirmation(flowRefOf(secret))
  if (pending === undefined || clock.now() >= pending.expiresAt) return undefined
  return { pending, antiForgery: antiForgeryOf(secret) }
}

export type ConfirmOutcome =
  | { readonly kind: 'signed-in', readonly sessionId: SessionId, readonly pending: PendingConfirmation }
  | LoginRefusal

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
  const decision = decideAccess(view, { now: deps.clock.now(), contract: deps.contract, knownLoss: pending.knownLoss })
  if (decision.kind === 'refuse') return { ...decision, kind: 'refused' }
  const { knownLoss, clientId, tokens } = pending
  const sessionId = await startSession(deps, { principal: decision.principal, knownLoss, clientId, tokens }, cookieHeader)
  return { kind: 'signed-in', sessionId, pending }
}

/** Only this browser can know it, since only it has the cookie that it is made from. */
function antiForgeryOf (secret: string): string {
  return sha256(`anti-forgery:${secret}`)
}
