import type { Dispatcher } from 'undici'
import { hopByHopHeaders } from '../base/header-names.ts'
import { isOwnCookie } from '../session/cookies.ts'
import { listedNames } from './request-headers.ts'
import type { RewriteLocation } from './rewrite-location.ts'

/** As undici parsed them: lower-case names, a repeated one with a list of values. */
export type UpstreamHeaders = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

export interface ClientHeaders {
  /** Flat: names and values in turn. */
  readonly headers: (string | string[])[]
  /** How many cookies the upstream tried to set under a name of ours. */
  readonly refusedCookies: number
}

/**
 * What of the upstream's response headers goes to the client: all but hop-by-hop ones and cookies with a name of ours (T-35).
 *
 * @param rewriteLocation for what names a server behind the gateway; `undefined`: stays as it is
 */
export function responseHeadersOf (upstream: UpstreamHeaders, rewriteLocation?: RewriteLocation): ClientHeaders {
  const listed = listedNames(upstream.connection)
  const headers: (string | string[])[] = []
  let refusedCookies = 0
  // Not by Object.entries: that is a list of lists per response, and undici leaves nothing inherited to find.
  for (const name in upstream) {
    const value = upstream[name]
    if (value === undefined || hopByHopHeaders.has(name) || listed?.has(name) === true) continue
    if (name === 'set-cookie') {
      const cookies = typeof value === 'string' ? [value] : value
      const kept = cookies.filter((cookie) => !setsOwnCookie(cookie))
      refusedCookies += cookies.length - kept.length
      if (kept.length > 0) headers.push(name, kept)
    } else if (rewriteLocation !== undefined && (name === 'location' || name === 'content-location')) {
      headers.push(name, typeof value === 'string' ? rewriteLocation(value) : value.map(rewriteLocation))
    } else headers.push(name, value)
  }
  return { headers, refusedCookies }
}

/** What a trailer must not be (RFC 9110 §6.5.1): a client may add it to the headers, where it would frame, route, sign in or redirect. */
const noTrailers: ReadonlySet<string> = new Set([
  ...hopByHopHeaders, 'content-length', 'content-encoding', 'content-type', 'content-range', 'host', 'set-cookie', 'location', 'refresh',
  'authorization', 'www-authenticate', 'authentication-info', 'cache-control', 'expires', 'date', 'age', 'vary', 'retry-after', 'warning',
  'clear-site-data', 'strict-transport-security', 'content-security-policy',
])

/** What of the upstream's trailers goes to the client. */
export function trailersOf (upstream: UpstreamHeaders): Record<string, string | string[]> | undefined {
  let trailers: Record<string, string | string[]> | undefined
  for (const name in upstream) {
    const value = upstream[name]
    if (value !== undefined && !noTrailers.has(name)) (trailers ??= Object.create(null) as Record<string, string | string[]>)[name] = value
  }
  return trailers
}

/** The names in a `Trailer` header that will indeed be passed on, which takes a chunked body (RFC 9112 §7.1.2); empty: none. */
export function announcedTrailers (upstream: UpstreamHeaders): string {
  if (upstream.trailer === undefined || upstream['transfer-encoding'] === undefined) return ''
  return String(upstream.trailer).split(',').map((name) => name.trim()).filter((name) => name !== '' && !noTrailers.has(name.toLowerCase())).join(', ')
}

/** Some browsers keep `=name=value` as a cookie without a name, and send it back as `name=value` (RFC 6265bis §5.7): so it counts. */
function setsOwnCookie (cookie: string): boolean {
  return isOwnCookie(cookie.replace(/^[\s=]+/, ''))
}
