import { createPrivateKey } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import type { UpstreamAddress } from '../forward/upstreams/upstream-address.ts'
import { Complaint, form, listOf, parseOrigin } from './forms.ts'

/** The servers of an application or of a route, a comma list. */
export const upstreamForm = form((input) => {
  return parseUpstreams(input) ?? new Complaint('must be a comma list of origins without path or query, such as http://127.0.0.1:3000, or unix:/run/app.sock')
})

function parseUpstreams (input: unknown): UpstreamAddress[] | undefined {
  const addresses = listOf(input)?.map(parseUpstream)
  if (addresses === undefined || addresses.length === 0 || !addresses.every((address) => address !== undefined)) return undefined
  return addresses
}

function parseUpstream (text: string): UpstreamAddress | undefined {
  const socketPath = /^unix:(\/[^\0\s]+)$/.exec(text)?.[1]
  if (socketPath !== undefined) return { origin: 'http://localhost', socketPath }
  const origin = parseOrigin(text)?.origin
  return origin === undefined ? undefined : { origin }
}

/** A path that is asked for, query and all; empty means none. */
export const healthPathForm = form((input) => {
  if (input === '') return undefined
  if (typeof input === 'string' && input.length <= 256 && /^\/(?!\/)[\x21\x24-\x7e]*$/.test(input) && !input.includes('\\')) return input
  return new Complaint('must be a path such as /healthz')
})

/** One private key as PEM; empty means none. */
export const privateKeyForm = form((input) => {
  if (input === '') return undefined
  const pem = typeof input === 'string' ? input.replaceAll('\\n', '\n') : ''
  return isPrivateKey(pem) ? new Secret(pem) : new Complaint('must be a private key as PEM text, not encrypted')
})

function isPrivateKey (pem: string): boolean {
  try {
    return createPrivateKey(pem).type === 'private'
  } catch {
    return false
  }
}

/** Headers that have a meaning of their own on the way to an upstream. */
const takenNames = new RegExp(`^(?:${[
  'host', 'cookie', 'set-cookie', 'authorization', 'connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings',
  'expect', 'date', 'forwarded', 'via', 'origin', 'referer', 'user-agent', 'from', 'range', 'cache-control', 'pragma', 'max-forwards',
  'accept.*', 'content-.*', 'if-.*', 'sec-.*', 'proxy-.*', 'access-control-.*', 'x-request-id', 'x-real-ip', 'x-rewrite-url',
  'x-original-(?:url|uri|method|proto|host)', 'x-forwarded-(?:for|proto|host|port|prefix|method|uri)',
].join('|')})$`)

/** In small letters, as headers are compared. */
export const headerNameForm = form((input) => {
  const name = typeof input === 'string' ? input.toLowerCase() : ''
  return /^[a-z0-9-]{1,64}$/.test(name) && !takenNames.test(name) ? name : new Complaint('must be the name of a header that has no other meaning: letters, digits and "-"')
})
