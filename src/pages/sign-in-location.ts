import type { LoginReason } from '../session/authentication.ts'
import { english } from './texts/en.ts'

export interface SignInWish {
  /** Already judged by `parseReturnTo`. */
  readonly returnTo?: string | undefined
  /** Shown as a notice; `no-cookie` needs none. */
  readonly because?: LoginReason | undefined
}

/** Address of the sign-in page on our own origin, for redirects, links and problem bodies alike. */
export function signInLocation (prefix: string, { returnTo = '/', because = 'no-cookie' }: SignInWish = {}): string {
  const query = new URLSearchParams()
  if (returnTo !== '/') query.set('return_to', returnTo)
  if (because !== 'no-cookie') query.set('because', because)
  return `${prefix}/sign-in${query.size > 0 ? `?${query}` : ''}`
}

/**
 * Address of the page on which a purchase is chosen.
 *
 * @param returnTo already judged by `parseReturnTo`
 */
export function chooseLocation (prefix: string, returnTo = '/'): string {
  return `${prefix}/choose${returnTo === '/' ? '' : `?${new URLSearchParams({ return_to: returnTo })}`}`
}

/** Reads `because` back from a query; anything that the sign-in page has no notice for is nothing. */
export function parseLoginReason (value: unknown): LoginReason | undefined {
  return typeof value === 'string' && Object.hasOwn(english.signIn.notices, value) ? value as LoginReason : undefined
}
