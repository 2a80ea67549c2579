import { createRandomId } from '../base/random-id.ts'
import type { Clock } from '../base/clock.ts'
import { cookieNames, cookieValues } from '../session/cookies.ts'
import type { LoginFlowStore, PendingConfirmation } from '../session/login-flow.ts'
import type { SessionId } from '../session/session.ts'
import { startSession, type SessionLifeDeps, type SignedIn } from '../session/start-session.ts'
import { flowRefOf } from './flow-cookies.ts'

/** How long a person may look at the page that asks. */
export const confirmationLifetimeSeconds = 300

/** What a checked login waits for: the person's word, or the choice of a purchase. Each has a cookie of its own. */
export type PendingQuestion = 'confirmation' | 'choice'

export interface PendingLogin {
  readonly secret: string
  readonly pending: PendingConfirmation
}

type About = Omit<PendingConfirmation, 'ref' | 'expiresAt'>

/** @returns the cookie's value */
export async function savePending (
  { flows, clock }: { flows: Pick<LoginFlowStore, 'saveConfirmation'>, clock: Clock }, about: About,
): Promise<string> {
  const secret = createRandomId()
  await flows.saveConfirmation({ ...about, ref: flowRefOf(secret), expiresAt: clock.now() + confirmationLifetimeSeconds * 1000 })
  return secret
}

/** The login of this browser that waits for this; `undefined` if there is none, or two cookies claim it (C-32). */
export async function findPending (
  { flows, clock }: { flows: Pick<LoginFlowStore, 'findConfirmation'>, clock: Clock }, question: PendingQuestion, cookieHeader: string | undefined,
): Promise<PendingLogin | undefined> {
  const [secret, ...others] = cookieValues(cookieHeader, cookieNames[question])
  if (secret === undefined || others.length > 0) return undefined
  const pending = await flows.findConfirmation(flowRefOf(secret))
  if (pending === undefined || clock.now() >= pending.expiresAt) return undefined
  // One that waits for the word may not be passed off as one that has it.
  const isOfThisKind = (question === 'choice') === (pending.provenBy !== undefined)
  return isOfThisKind ? { secret, pending } : undefined
}

export type Admission =
  | { readonly kind: 'signed-in', readonly sessionId: SessionId }
  /** Nobody is signed in yet. `secret` is the choice cookie's value. */
  | { readonly kind: 'choose', readonly secret: string }

export interface AdmitDeps extends SessionLifeDeps {
  readonly flows: Pick<LoginFlowStore, 'saveConfirmation'>
}

/** A session, or first the choice among several purchases: until then there is nothing that could act in the wrong one. */
export async function admit (
  deps: AdmitDeps, about: About & { provenBy: NonNullable<About['provenBy']> }, mustChoose: boolean, cookieHeader: string | undefined,
): Promise<Admission> {
  if (mustChoose) return { kind: 'choose', secret: await savePending(deps, about) }
  const { principal, knownLoss, clientId, tokens } = about
  const signedIn: SignedIn = { principal, knownLoss, clientId, tokens }
  return { kind: 'signed-in', sessionId: await startSession(deps, signedIn, cookieHeader) }
}
