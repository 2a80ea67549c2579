import type { Dispatcher } from 'undici'
import { hopByHopHeaders } from '../base/header-names.ts'
import { isOwnCookie } from '../session/cookies.ts'
import { listedNames } from './request-headers.ts'

/** As undici parsed them: lower-case names, a repeated one with a list of values. */
export type UpstreamHeaders = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

export interface ClientHeaders {
  /** Flat: names and values in turn. */
  readonly headers: (string | string[])[]
  /** How many cookies the upstream tried to set under a name of ours. */
  readonly refusedCookies: number
}

/** What of the upstream's response headers goes to the client: all but hop-by-hop ones and cookies with a name of ours (T-35). */
export function responseHeadersOf (upstream: UpstreamHeaders): ClientHeaders {
  const listed = listedNames(upstream.connection)
  const headers: (string | string[])[] = []
  let refusedCookies = 0
  // Not by Object.entries: that is a list of lists per response, and undici leaves nothing inherited to find.
  for (const name in upstream) {
    const value = upstream[name]
    if (value === undefined || hopByHopHeaders.has(name) || listed?.has(name) === true) continue
    if (name !== 'set-cookie') {
      headers.push(name, value)
      continue
    }
    const cookies = typeof value === 'string' ? [value] : value
    const kept = cookies.filter((cookie) => !setsOwnCookie(cookie))
    refusedCookies += cookies.length - kept.length
    if (kept.length > 0) headers.push(name, kept)
  }
  return { headers, refusedCookies }
}

/** Some browsers keep `=name=value` as a cookie without a name, and send it back as `name=value` (RFC 6265bis §5.7): so it counts. */
function setsOwnCookie (cookie: string): boolean {
  return isOwnCookie(cookie.replace(/^[\s=]+/, ''))
}
