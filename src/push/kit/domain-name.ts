export interface DomainNameRules {
  /** Domains that a pushed name must be or lie under; none means any public one. */
  readonly tenantDomains: readonly string[]
  /** Also http, any port, and hosts of this machine or network. For tests and the demo. */
  readonly dangerouslyAllowHttp: boolean
}

// An own grammar instead of a URL parser: what it doesn't allow (userinfo, query, fragment, `[`, `%`, `\`, non-ASCII) no two
// parsers can read differently. A dot segment of the path doesn't match, nor does a trailing dot of the host.
const grammar = /^(?:(https?):\/\/)?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?::(\d{1,5}))?((?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)*)\/*$/i

/** Ends in a top-level domain, which no IP address does in any of its spellings (`127.1`, `0x7f000001`). */
const publicName = /\.(?:[a-z]{2,63}|xn--[a-z0-9-]+)$/

// Names that resolve inside a machine or network only, or to nothing (RFC 6761, 6762, 7686, 8375, ICANN's "internal").
const privateName = /(?:^|\.)(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|test|onion|arpa)$/

/**
 * The base address of the tenant's authorization server that a pushed `domainName` names, without a trailing slash; `undefined`
 * if it may not name one. Client id and secret are sent there later, so a wrong one would be server-side request forgery with our
 * credentials in it (T-44, T-10).
 *
 * @param domainName with or without a scheme (sync.md §1.2)
 */
export function parseDomainName (domainName: string, { tenantDomains, dangerouslyAllowHttp }: DomainNameRules): string | undefined {
  const parts = grammar.exec(domainName)
  if (parts === null) return undefined
  const [, scheme = 'https', host = '', port, path = ''] = parts.map((part: string | undefined, index) => (index < 4 ? part?.toLowerCase() : part))
  if (host.length > 253 || Number(port ?? 0) > 65_535) return undefined
  if (!isUnderOneOf(host, tenantDomains)) return undefined
  if (dangerouslyAllowHttp) return parseable(`${scheme}://${host}${port === undefined ? '' : `:${port}`}${path}`)
  if (scheme !== 'https' || (port !== undefined && port !== '443')) return undefined
  if (!publicName.test(host) || privateName.test(host)) return undefined
  return parseable(`https://${host}${path}`)
}

/** The one thing the grammar can't tell: whether an `xn--` label is good Punycode. */
function parseable (address: string): string | undefined {
  return URL.canParse(address) ? address : undefined
}

/** Whole labels only: `evil-example.com` is not under `example.com`. */
function isUnderOneOf (host: string, domains: readonly string[]): boolean {
  if (domains.length === 0) return true
  return domains.some((domain) => {
    const suffix = domain.toLowerCase().replace(/^\./, '')
    return host === suffix || host.endsWith('.' + suffix)
  })
}
