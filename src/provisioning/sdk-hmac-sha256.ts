import { createHash } from 'node:crypto'
import { hmacSha256 } from '../base/digest.ts'
import type { Secret } from '../base/secret.ts'

/** AK and SK of a Huawei Cloud account. */
export interface SdkCredentials { readonly accessKeyId: string, readonly secretAccessKey: Secret }

export interface SdkRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  /** Signed with the rest, e.g. `content-type`; send them as they are here. Without `host` and `x-sdk-date`. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type SdkHeaders = Record<'host' | 'x-sdk-date' | 'authorization', string>

const algorithm = 'SDK-HMAC-SHA256'

/**
 * Signs a call to a Huawei Cloud API with AK and SK ("API Request Signing Guide", SDK-HMAC-SHA256).
 *
 * @param now epoch ms; the other side allows 15 minutes
 * @returns the headers to send beside the request's own
 * @throws URIError if the URL's path or query is no UTF-8 in `%xx`
 */
export function signSdkRequest ({ method, url, headers, body }: SdkRequest, credentials: SdkCredentials, now: number): SdkHeaders {
  const date = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const own = { host: url.host, 'x-sdk-date': date }
  const signed = Object.entries({ ...headers, ...own })
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .sort(byNameThenValue)
  const signedHeaders = signed.map(([name]) => name).join(';')
  const canonicalHeaders = signed.map(([name, value]) => `${name}:${value}\n`).join('')
  const canonicalRequest = [method, canonicalPath(url), canonicalQuery(url), canonicalHeaders, signedHeaders, hexSha256(body)].join('\n')
  const stringToSign = `${algorithm}\n${date}\n${hexSha256(canonicalRequest)}`
  const signature = hmacSha256(credentials.secretAccessKey.reveal(), stringToSign).toString('hex')
  return { ...own, authorization: `${algorithm} Access=${credentials.accessKeyId}, SignedHeaders=${signedHeaders}, Signature=${signature}` }
}

/** Always with a slash at its end, whether the call has one or not. */
function canonicalPath ({ pathname }: URL): string {
  const path = pathname.split('/').map((segment) => encode(decodeURIComponent(segment))).join('/')
  return path.endsWith('/') ? path : `${path}/`
}

function canonicalQuery ({ searchParams }: URL): string {
  return [...searchParams].sort(byNameThenValue).map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')
}

type NameAndValue = readonly [name: string, value: string]

function byNameThenValue ([nameA, valueA]: NameAndValue, [nameB, valueB]: NameAndValue): number {
  if (nameA !== nameB) return nameA < nameB ? -1 : 1
  return valueA < valueB ? -1 : Number(valueA > valueB)
}

/** All but RFC 3986's unreserved characters; `encodeURIComponent` spares five more. */
function encode (text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function hexSha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
