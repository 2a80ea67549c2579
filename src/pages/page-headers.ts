import type { Locale } from './choose-locale.ts'

export interface PageHeaderOptions {
  readonly locale: Locale
  /** Whether browsers reach us by https; HSTS over http means nothing (RFC 6797 §7.2). */
  readonly isHttps: boolean
  /** Whether the page holds a form of ours. */
  readonly hasForm: boolean
  /** Addresses of other origins to which the answer to this page's form redirects: Chromium applies `form-action` to them too. */
  readonly formActions: readonly string[]
}

/** What every own page goes out with (C-8, C-61, C-63, T-47). */
export function pageHeaders ({ locale, isHttps, hasForm, formActions }: PageHeaderOptions): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-language': locale,
    vary: 'Accept-Language, Cookie',
    'cache-control': 'no-store',
    'content-security-policy': contentSecurityPolicy(formActions),
    'x-content-type-options': 'nosniff',
    // A page without a referrer sends `Origin: null` with its own form, and browsers without Fetch Metadata could not prove that
    // it was ours. Nothing goes to other sites either way (C-8).
    'referrer-policy': hasForm ? 'same-origin' : 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    ...(isHttps && { 'strict-transport-security': 'max-age=31536000' }),
  }
}

/**
 * No script at all, so no nonce is needed. An origin is taken out of each address, so that no address can add a directive. A form
 * that leads away may be sent on from there, over hosts that nobody told us of, so any https address is allowed then.
 */
function contentSecurityPolicy (formActions: readonly string[]): string {
  const origins = formActions.length === 0 ? [] : ['https:', ...formActions.map((address) => new URL(address).origin)]
  return [
    "default-src 'none'", "style-src 'self'", "img-src 'self' data:", `form-action ${["'self'", ...new Set(origins)].join(' ')}`,
    "frame-ancestors 'none'", "base-uri 'none'",
  ].join('; ')
}
