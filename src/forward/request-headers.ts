import type { FastifyRequest } from 'fastify'
import type { ClientAddressOf } from '../base/client-address.ts'
import { foldHeaderName, hopByHopHeaders, type IdentityHeaderNames } from '../base/header-names.ts'
import { isOwnCookie, ownCookiePrefix } from '../session/cookies.ts'

type Treatment = 'send' | 'drop' | 'cookie'

/**
 * Names by fold that only the gateway may tell the upstream, besides the configured ones and all of `x-identity-…` and `x-forwarded-…`
 * (T-01, C-36, C-38).
 */
const fixedOwnNames: ReadonlySet<string> = new Set([
  'forwarded', 'x-real-ip', 'x-request-id', 'x-original-url', 'x-original-uri', 'x-rewrite-url',
])
/**
 * `host`: undici sends the upstream's own authority, the public host stands in `x-forwarded-host`. `expect`: node has answered it.
 * `http2-settings`: belongs to an upgrade that we don't take.
 */
const answeredHere: ReadonlySet<string> = new Set(['host', 'expect', 'http2-settings'])
/** Spelled otherwise (`content_length`) these would frame a second message for an upstream that folds names (T-24). */
const onlyAsSpelled: ReadonlySet<string> = new Set(['content-length', 'content-type', 'content-encoding'])

/** Names are the client's choice, so what is remembered about them must have an end. */
const maxKnownNames = 500

/** Makes the header list of one request to the upstream: flat, names and values in turn. */
export type BuildRequestHeaders = (request: FastifyRequest, identity: readonly string[]) => string[]

/**
 * Of the client's everything goes that concerns this connection, or that an upstream could take for our word (also what `Connection`
 * lists). Ours is not looked at again, so nothing that the client sends can take it away (T-07, C-37).
 *
 * @param publicUrl what `x-forwarded-proto` and `x-forwarded-host` say: the configured address, never the client's `Host`
 * @param clientAddressOf what `x-forwarded-for` says: one address, and nothing that the client wrote itself (T-21)
 * @param identityNames the names under which an identity is told here
 */
export function createRequestHeaders (
  publicUrl: URL, clientAddressOf: ClientAddressOf, identityNames: IdentityHeaderNames,
): BuildRequestHeaders {
  const scheme = publicUrl.protocol.slice(0, -1)
  const host = publicUrl.host
  const ownNames = new Set([...fixedOwnNames, ...Object.values(identityNames).map(foldHeaderName)])
  const known = new Map<string, Treatment>()

  function treatmentOf (name: string): Treatment {
    let treatment = known.get(name)
    if (treatment === undefined) {
      if (known.size >= maxKnownNames) known.clear()
      treatment = judgeName(name, ownNames)
      known.set(name, treatment)
    }
    return treatment
  }

  return function buildRequestHeaders (request, identity) {
    const { rawHeaders, headers: { connection } } = request.raw
    const listed = listedNames(connection)
    // Ours stand first: an upstream that reads so many fields and no more must not lose them behind the client's.
    const headers: string[] = [
      ...identity, 'x-forwarded-for', clientAddressOf(request.raw), 'x-forwarded-proto', scheme, 'x-forwarded-host', host, 'x-request-id', request.id,
    ]
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] ?? ''
      let value = rawHeaders[index + 1] ?? ''
      const treatment = treatmentOf(name)
      if (treatment === 'drop' || listed?.has(name.toLowerCase()) === true) continue
      if (treatment === 'cookie') {
        value = withoutOwnCookies(value)
        if (value === '') continue
      }
      headers.push(name, value)
    }
    return headers
  }
}

function judgeName (name: string, ownNames: ReadonlySet<string>): Treatment {
  const fold = foldHeaderName(name)
  if (fold === 'cookie') return 'cookie'
  if (hopByHopHeaders.has(fold) || answeredHere.has(fold) || ownNames.has(fold)) return 'drop'
  if (fold.startsWith('x-identity-') || fold.startsWith('x-forwarded-')) return 'drop'
  return onlyAsSpelled.has(fold) && name.toLowerCase() !== fold ? 'drop' : 'send'
}

/** What `Connection` declares to be about this connection only (RFC 9110 §7.6.1). */
export function listedNames (connection: string | string[] | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(String(connection).toLowerCase().split(',').map((name) => name.trim()))
}

/** A `Cookie` value without the gateway's own cookies; the others stay as they are, byte for byte (T-34). */
export function withoutOwnCookies (value: string): string {
  if (!value.includes(ownCookiePrefix)) return value
  return value.split(';').filter((pair) => !isOwnCookie(nameOf(pair))).join(';').trimStart()
}

function nameOf (pair: string): string {
  const equals = pair.indexOf('=')
  return (equals === -1 ? pair : pair.slice(0, equals)).trim()
}
