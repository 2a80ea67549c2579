import type { UpstreamAddress } from './upstreams/upstream-address.ts'

export type RewriteLocation = (location: string) => string

/** A URL with an authority, with or without a scheme (RFC 3986 §4.2). Nobody means one with a user in it, so that is no match. */
const withAuthority = /^(?:https?:)?\/\/([^/?#\\@]*)((?:[/?#].*)?)$/i

/**
 * An address that names a server behind the gateway, as the browser can reach it. A server knows itself by the `Host` that it gets, and by
 * the scheme that it takes from there or from `x-forwarded-proto`: so the scheme doesn't count. All others stay byte for byte.
 */
export function createLocationRewrite (publicUrl: URL, addresses: readonly UpstreamAddress[]): RewriteLocation {
  const own = new Set(addresses.flatMap(authoritiesOf))
  return (location) => {
    const [, authority, rest] = withAuthority.exec(location) ?? []
    return authority !== undefined && own.has(authority.toLowerCase()) ? `${publicUrl.origin}${rest}` : location
  }
}

/** With and without a port that goes without saying. */
function authoritiesOf ({ origin }: UpstreamAddress): string[] {
  const { host, port, protocol } = new URL(origin)
  if (port !== '') return [host]
  return [host, `${host}:${protocol === 'https:' ? 443 : 80}`]
}
