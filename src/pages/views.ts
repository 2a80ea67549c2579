import type { AccessLevel, Principal, Role } from '../directory/model.ts'
import type { RefusalReason } from '../directory/refusal.ts'
import type { LoginReason } from '../session/authentication.ts'
import type { Locale } from './choose-locale.ts'
import type { FaultCode, LoopCause } from './texts/page-texts.ts'

interface View {
  readonly locale: Locale
  /** Path and query of a page that may be loaded again, without `lang`: makes the language switch appear. */
  readonly here?: string
}

/** The part of a principal that a page shows. */
export type Person = Pick<Principal, 'name' | 'userName' | 'tenantName'>

export interface SignInView extends Omit<View, 'here'> {
  /** Already judged by `parseReturnTo`. */
  readonly returnTo: string
  /** Why the person is here, if there is something to say about it. */
  readonly because?: LoginReason | undefined
  /** Where the button leads in the end: the unified login page. */
  readonly formActions: readonly string[]
}

export interface ConfirmView extends View {
  readonly person: Person
  /** Somebody else who is signed in until the answer. */
  readonly current?: Person | undefined
  readonly antiForgery: string
}

/** A purchase that may be chosen, by what a person tells it from others. */
export interface Choice {
  readonly instanceId: string
  /** What was bought, as the marketplace calls it. */
  readonly product?: string
  /** The order, or what else tells it from the others. */
  readonly order: string
  /** Epoch ms. */
  readonly paidUntil?: number
  readonly role: Role
  readonly access: AccessLevel
  readonly isCurrent: boolean
}

export interface ChooseView extends View {
  readonly userName: string
  readonly tenantName: string
  /** Comes back with the answer. */
  readonly question: string
  readonly choices: readonly Choice[]
  /** Already judged by `parseReturnTo`. */
  readonly returnTo: string
  /** Why the person is asked: fresh from sign-in, by the wish to change, or since the purchase worked in is closed. */
  readonly because: 'sign-in' | 'wish' | 'closed'
}

export interface AccountView extends View {
  readonly person: Person
  /** One's own, the current one first; times in epoch ms. */
  readonly sessions: ReadonlyArray<{
    readonly ref: string
    readonly createdAt: number
    readonly lastSeenAt: number
    readonly endsAt: number
    readonly isCurrent: boolean
  }>
}

export interface SignOutView extends View {
  readonly person: Person
  readonly antiForgery?: string
  /** Where signing out leads in the end: the tenant's authorization server. */
  readonly formActions: readonly string[]
}

export type SignedOutView = View

/** What ties a page to the log line of the same event. */
interface SupportView extends View {
  readonly supportCode: string
  /** Epoch ms. */
  readonly at: number
}

export interface RefusalView extends SupportView {
  readonly reason: RefusalReason
  /** Already judged by `parseReturnTo`; the next sign-in leads there. */
  readonly returnTo?: string
  /** Which page of ours the button of a second attempt opens; the sign-in unless told. */
  readonly again?: string
  /** Where the gateway can see why this browser gets no further. */
  readonly cause?: LoopCause
  /** Where the purchase is renewed; makes the button appear. */
  readonly renewUrl?: string
  /** As sent in `Retry-After`. */
  readonly retryAfterSeconds?: number
}

export interface FaultView extends SupportView {
  readonly code: FaultCode
  /** As sent in `Retry-After`. */
  readonly retryAfterSeconds?: number
}
