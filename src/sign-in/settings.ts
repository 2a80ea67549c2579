import type { AppId } from '../directory/model.ts'

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
  /** What becomes of a login that this browser did not start (`login.md` Q1). */
  readonly statelessCallback: 'confirm' | 'restart'
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
