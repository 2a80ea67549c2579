import type { AppId } from '../directory/model.ts'

/**
 * The unified login page returns no `state`, so its callback proves nothing (RFC 9700 §4.7).
 *
 * - `restart`: the code is dropped unused, and our own request with `state` goes to the tenant's server; once, then the person is asked.
 * - `marker`: a login that was begun here within ten minutes vouches for the code; without one the person is asked.
 * - `confirm`: the person is asked each time.
 */
export const statelessCallbacks = ['restart', 'marker', 'confirm'] as const

export type StatelessCallback = (typeof statelessCallbacks)[number]

export interface SignInSettings {
  readonly appId: AppId
  /** The origin browsers use. */
  readonly publicUrl: URL
  /** The gateway's prefix, such as `/_gate`. */
  readonly ownPrefix: string
  /** With its `#`. */
  readonly unifiedLoginUrl: string
  /** Straight on to the marketplace, without the page with the button. */
  readonly direct: boolean
  /** What becomes of a code that comes without our `state` (`login.md` Q1). */
  readonly statelessCallback: StatelessCallback
  /** Whether our own authorization requests carry a challenge (RFC 7636). `plain` is not offered (C-3). */
  readonly pkce: 'off' | 'S256'
  /** The `redirect_uri` of the token request (`login.md` Q2). */
  readonly redirectUri: 'as-registered' | 'with-tenant' | 'omit'
}

/** The application's login address as registered: fixed by configuration, never by a header (C-6). */
export function callbackUrl ({ publicUrl, ownPrefix }: Pick<SignInSettings, 'publicUrl' | 'ownPrefix'>): string {
  return `${publicUrl.origin}${ownPrefix}/callback`
}

/**
 * Built as text: the parameters stand behind the `#`, for the script of that page, and a URL builder would put them before it
 * (`login.md` §1.1).
 */
export function unifiedLoginLocation ({ unifiedLoginUrl, appId }: Pick<SignInSettings, 'unifiedLoginUrl' | 'appId'>): string {
  return `${unifiedLoginUrl}?ind=UNOP&appId=${encodeURIComponent(appId)}`
}
