import { hmacSha256 } from '../../base/digest.ts'
import type { Secret } from '../../base/secret.ts'
import { canonicalJson, textVariants, type BaseTextVariant, type Signable } from './canonical-json.ts'
import { decodeOnce, splitRawQuery } from './raw-query.ts'
import { judgeStamp, verifyStamp, type Stamp, type StampReading, type StampVerification } from './stamp.ts'

/** The sample reads base bodies, and only these, into a `Map<String,String>` (sync.md §3.5). */
const baseTextVariants = [...textVariants, 'scalars-as-strings'] as const

/**
 * Reads the stamp of a base V2 call from its query, before the body is read. Other parameters are none of the signature's business
 * and are ignored; one of ours that stands twice is refused, since readers differ on which one counts (T-40).
 *
 * @param query raw, what follows the `?`; may be empty
 */
export function readBaseV2Stamp (query: string, now: number): StampReading {
  const values: { -readonly [Name in keyof Stamp]: string | undefined } = { timestamp: undefined, nonce: undefined, signature: undefined }
  for (const parameter of splitRawQuery(query)) {
    const name = decodeOnce(parameter.name)
    if (name !== 'timestamp' && name !== 'nonce' && name !== 'signature') continue
    if (values[name] !== undefined) return { kind: 'refused', because: 'signature-malformed' }
    // What can't be decoded keeps its `%`, which no form allows.
    values[name] = decodeOnce(parameter.value) ?? parameter.value
  }
  return judgeStamp(values, now)
}

export type BaseV2Verification = StampVerification<BaseTextVariant>

/** Verifies a body against every variant of its signed text and every access key. */
export async function verifyBaseV2 (stamp: Stamp, text: Signable, keys: readonly Secret[]): Promise<BaseV2Verification> {
  return verifyStamp(stamp, { variants: baseTextVariants, textOf: (variant) => text.textOf(variant), keys, sign })
}

export type BaseV2Parameters = Record<'signature' | 'timestamp' | 'nonce', string>

/**
 * The query parameters of a signed call, as the marketplace makes them.
 *
 * @param body JSON text of an object
 * @param timestamp epoch ms
 */
export function signBaseV2 (accessKey: string, body: string, nonce: string, timestamp: number): BaseV2Parameters {
  const signature = sign(accessKey, nonce, String(timestamp), canonicalJson(body))
  return { signature: signature.toUpperCase(), timestamp: String(timestamp), nonce }
}

/** Unlike the Kit's: the text is hashed first, in lower-case hex (sync.md §3.2). */
function sign (accessKey: string, nonce: string, timestamp: string, text: string): string {
  const encryptBody = hmacSha256(accessKey, text).toString('hex')
  return hmacSha256(accessKey, accessKey, nonce, timestamp, encryptBody).toString('hex')
}
