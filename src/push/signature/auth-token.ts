import { hmacSha256, isEqualInConstantTime, sha256 } from '../../base/digest.ts'
import type { Secret } from '../../base/secret.ts'
import { readSignableText, type Signable } from './canonical-json.ts'
import { ambiguousName, blank, isAuthToken, joinParameters, type Parameters } from './auth-token-text.ts'
import type { V1Query } from './auth-token-query.ts'
import type { StampRefusal } from './stamp.ts'
import { parseWireTime, type WireZone } from './wire-time.ts'

/** V1 documents no window, and a retry may keep its old time: wider than V2's, on either side (sync.md §3.1). */
export const authTokenWindowMilliseconds = 10 * 60_000

/** How a verified message was to be read: of a GET what a bare `+` meant, of a POST that blank members are not signed. */
export type V1Variant = 'plus-as-plus' | 'plus-as-blank' | 'blanks-skipped'

export type V1Refusal = StampRefusal | 'signature-mismatch' | 'signature-ambiguous' | 'names-repeated'

export type V1Verification =
  | {
    readonly kind: 'verified'
    /** Which of `keys` the signer used. */
    readonly keyIndex: number
    readonly variant: V1Variant
    /** What the replay memory knows the message by. */
    readonly signatureDigest: string
    /** Epoch ms, from `timeStamp`. */
    readonly sentAt: number
    /** What was signed, by name, and so all that may be acted on. Of a POST without the blank members, which no signature covers. */
    readonly parameters: Parameters
  }
  | {
    readonly kind: 'refused'
    readonly because: V1Refusal
    /** Of `signature-ambiguous`: the parameter whose text could be cut in two ways. Signed, but not a text of ours. */
    readonly member?: string
  }

/** Verifies a base V1 call in each reading of its query; the one that holds is in `parameters`. */
export function verifyAuthTokenGet (query: V1Query, keys: readonly Secret[], now: number): V1Verification {
  let refusal: V1Verification & { kind: 'refused' } = { kind: 'refused', because: 'signature-mismatch' }
  for (const { variant, parameters } of query.readings) {
    const verification = verify({ token: query.authToken, variant, parameters, zone: 'utc' }, keys, now)
    if (verification.kind === 'verified') return verification
    // Only one reading can carry the signature: a later one that doesn't must not hide what was wrong with it.
    if (refusal.because === 'signature-mismatch') refusal = verification
  }
  return refusal
}

/** Reads the header of a Kit V1 call, before the body is: junk costs us no memory. */
export function readAuthTokenHeader (value: string | readonly string[] | undefined):
  { readonly kind: 'token', readonly authToken: string } | { readonly kind: 'refused', readonly because: StampRefusal } {
  if (!value) return { kind: 'refused', because: 'signature-missing' }
  return typeof value === 'string' && isAuthToken(value)
    ? { kind: 'token', authToken: value }
    : { kind: 'refused', because: 'signature-malformed' }
}

/** Verifies a Kit V1 call over the members of its body. */
export function verifyAuthTokenPost (
  authToken: string, text: Pick<Signable, 'values' | 'hasDuplicateNames'>, keys: readonly Secret[], now: number,
): V1Verification {
  const parameters = bodyParameters(text)
  const verification = verify({ token: authToken, variant: 'blanks-skipped', parameters, zone: 'utc+8' }, keys, now)
  // Readers differ on which of the two counts (T-50).
  if (verification.kind === 'verified' && text.hasDuplicateNames) return { kind: 'refused', because: 'names-repeated' }
  return verification
}

interface V1Message { readonly token: string, readonly variant: V1Variant, readonly parameters: Parameters, readonly zone: WireZone }

function verify ({ token, variant, parameters, zone }: V1Message, keys: readonly Secret[], now: number): V1Verification {
  const timeStamp = parameters.get('timeStamp')
  if (timeStamp === undefined || timeStamp === '') return { kind: 'refused', because: 'signature-missing' }
  // One length only: the key ends with it, and nothing marks where (T-49).
  const sentAt = timeStamp.length === 17 ? parseWireTime(timeStamp, zone) : undefined
  if (sentAt === undefined || !isAuthToken(token)) return { kind: 'refused', because: 'signature-malformed' }
  if (Math.abs(now - sentAt) > authTokenWindowMilliseconds) return { kind: 'refused', because: 'signature-stale' }
  const signedText = joinParameters(parameters)
  const mac = Buffer.from(token, 'base64')
  const keyIndex = keys.findIndex((key) => isEqualInConstantTime(sign(key.reveal(), timeStamp, signedText), mac))
  if (keyIndex === -1) return { kind: 'refused', because: 'signature-mismatch' }
  const member = ambiguousName(parameters)
  if (member !== undefined) return { kind: 'refused', because: 'signature-ambiguous', member }
  return { kind: 'verified', keyIndex, variant, signatureDigest: sha256(token), sentAt, parameters }
}

/** Strings say what they say, all else is its JSON text; `null` and blanks are left out (sync.md §3.1). */
export function bodyParameters (text: Pick<Signable, 'values' | 'hasDuplicateNames'>): Parameters {
  const parameters = new Map<string, string>()
  for (const [name, value] of text.values) {
    const said = value.startsWith('"') ? JSON.parse(value) as string : value
    if (name !== 'authToken' && value !== 'null' && !blank.test(said)) parameters.set(name, said)
  }
  return parameters
}

/**
 * The query of a signed GET call, as the marketplace makes it.
 *
 * @param parameters decoded, with a `timeStamp` of 17 digits in UTC
 */
export function signAuthTokenGet (accessKey: string, parameters: Readonly<Record<string, string>>): string {
  const signed = new Map(Object.entries(parameters))
  const authToken = sign(accessKey, signed.get('timeStamp') ?? '', joinParameters(signed)).toString('base64')
  return [...signed, ['authToken', authToken]].map((parameter) => parameter.map(encodeURIComponent).join('=')).join('&')
}

/**
 * The `authToken` header of a signed POST call, as the marketplace makes it.
 *
 * @param body JSON text of an object with a `timeStamp` of 17 digits in UTC+8
 * @throws TypeError if the body is no JSON object or nested too deep
 */
export function signAuthTokenPost (accessKey: string, body: string): string {
  const text = readSignableText(body)
  if (text.kind === 'unreadable') throw new TypeError(`nothing to sign: ${text.because}`)
  const parameters = bodyParameters(text)
  return sign(accessKey, parameters.get('timeStamp') ?? '', joinParameters(parameters)).toString('base64')
}

function sign (accessKey: string, timeStamp: string, text: string): Buffer {
  return hmacSha256(accessKey + timeStamp, text)
}
