import type { faults } from '../../base/coded-errors.ts'
import type { Role } from '../../directory/model.ts'
import type { RefusalReason } from '../../directory/refusal.ts'
import type { LoginReason } from '../../session/authentication.ts'

export type FaultCode = InstanceType<(typeof faults)[keyof typeof faults]>['code']

/** Why a browser can't get past signing in, as far as the gateway can see it. */
export type LoopCause = 'cookies-blocked' | 'insecure-address' | 'session-lost' | 'state-lost'

/** What a person reads about a no or a fault. */
export interface Explanation {
  readonly title: string
  readonly whatHappened: string
  readonly whatToDo: string
}

/** Everything our pages say, once a language. Whole sentences: words can't be put together the same way in two languages. */
export interface PageTexts {
  readonly languageSwitch: string
  readonly support: { readonly heading: string, readonly code: string, readonly reason: string, readonly time: string }
  readonly actions: Readonly<Record<'tryAgain' | 'signIn' | 'signInAgain' | 'openApplication' | 'cancel' | 'renew' | 'choose', string>>
  readonly whatToDo: string
  retryIn (seconds: number): string
  readonly signIn: {
    title (application: string): string
    readonly button: string
    readonly account: string
    handOver (application: string): string
    readonly trouble: string
    readonly limits: readonly string[]
    readonly notices: Readonly<Record<Exclude<LoginReason, 'no-cookie'>, string>>
  }
  readonly confirm: {
    /** Holds `{name}` and `{enterprise}`. */
    readonly title: string
    readonly explanation: string
    readonly button: string
    readonly notMe: string
    readonly notMeHint: string
    /** Holds `{name}`, `{account}` and `{enterprise}`: who is signed in until the answer. */
    readonly current: string
    readonly stay: string
  }
  readonly choose: {
    readonly title: string
    readonly explanation: string
    /** In place of the explanation, where the purchase worked in so far is closed. */
    readonly closed: string
    /** For a purchase whose product nobody named. */
    unnamed (order: string): string
    readonly order: string
    readonly paidUntil: string
    readonly role: string
    readonly roles: Readonly<Record<Role, string>>
    readonly readOnly: string
    readonly current: string
    readonly cancel: string
  }
  readonly person: { readonly name: string, readonly account: string, readonly enterprise: string }
  readonly account: Readonly<Record<'explanation' | 'current' | 'signedInAt' | 'lastSeenAt' | 'endsAt' | 'end', string>> & {
    title (application: string): string
    /** @param end what the button shows */
    endOf (end: string, signedInAt: string, lastSeenAt: string): string
  }
  readonly signOut: { title (application: string): string, readonly explanation: string, readonly button: string }
  readonly signedOut: Explanation
  readonly loopCauses: Readonly<Record<LoopCause, string>>
  readonly refusals: Readonly<Record<RefusalReason, Explanation>>
  readonly faults: Readonly<Record<FaultCode, Explanation>>
}
