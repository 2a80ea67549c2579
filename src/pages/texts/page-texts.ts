import type { faults } from '../../base/coded-errors.ts'
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
  readonly actions: Readonly<Record<'tryAgain' | 'signIn' | 'signInAgain' | 'openApplication' | 'cancel' | 'renew', string>>
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
  }
  readonly person: { readonly name: string, readonly account: string, readonly enterprise: string }
  readonly signOut: { title (application: string): string, readonly explanation: string, readonly button: string }
  readonly signedOut: Explanation
  readonly loopCauses: Readonly<Record<LoopCause, string>>
  readonly refusals: Readonly<Record<RefusalReason, Explanation>>
  readonly faults: Readonly<Record<FaultCode, Explanation>>
}
