import type { IncomingHttpHeaders } from 'node:http'
import { hmacSha256, isEqualInConstantTime, sha256 } from '../../base/digest.ts'
import type { Secret } from '../../base/secret.ts'
import { canonicalJson, textVariants, type SignableText, type TextVariant } from './canonical-json.ts'

/** How far a message's time may lie from ours, on either side; exactly this far is near enough (sync.md §3.4). */
export const windowMilliseconds = 60_000

/** The three headers of a Kit V2 call, well-formed and fresh, nothing verified yet. */
export interface KitV2Stamp {
  /** 13 digits, as received: the signature covers the characters. */
  readonly timestamp: string
  readonly nonce: string
  /** 64 lower-case hex digits. */
  readonly signature: string
}

export type StampRefusal = 'signature-missing' | 'signature-malformed' | 'signature-stale'

export type StampReading =
  | { readonly kind: 'stamp', readonly stamp: KitV2Stamp }
  | { readonly kind: 'refused', readonly because: StampRefusal }

/**
 * Reads the headers, before the body is: junk costs us no memory.
 *
 * The signed text joins nonce and timestamp without a separator, so their forms are what keeps the border in place: of one
 * signature only one cut passes (T-49). Ten digits (seconds) would allow others and are refused (sync.md §6, row 4).
 */
export function readKitV2Stamp (headers: IncomingHttpHeaders, now: number): StampReading {
  const { 'x-timestamp': timestamp, 'x-nonce': nonce, 'x-sign': signature } = headers
  if (!timestamp || !nonce || !signature) return refuse('signature-missing')
  // Repeated headers arrive as an array or joined by commas and fit no pattern (T-40).
  if (typeof timestamp !== 'string' || !/^\d{13}$/.test(timestamp)) return refuse('signature-malformed')
  if (typeof nonce !== 'string' || !/^[A-Za-z0-9]{16,64}$/.test(nonce)) return refuse('signature-malformed')
  if (typeof signature !== 'string' || !/^[0-9A-Fa-f]{64}$/.test(signature)) return refuse('signature-malformed')
  if (Math.abs(now - Number(timestamp)) > windowMilliseconds) return refuse('signature-stale')
  return { kind: 'stamp', stamp: { timestamp, nonce, signature: signature.toLowerCase() } }
}

const refuse = (because: StampRefusal): StampReading => ({ kind: 'refused', because })

export type Verification =
  | {
    readonly kind: 'verified'
    /** Which of `keys` the signer used. */
    readonly keyIndex: number
    readonly variant: TextVariant
    /** What the replay memory knows the message by. */
    readonly signatureDigest: string
  }
  | { readonly kind: 'refused', readonly because: 'signature-mismatch' }

/** Verifies a body against every variant of its signed text and every access key; each still needs a key, so none weakens the other. */
export function verifyKitV2 (stamp: KitV2Stamp, text: SignableText & { kind: 'signable' }, keys: readonly Secret[]): Verification {
  for (const variant of textVariants) {
    const signedText = text.textOf(variant)
    const keyIndex = keys.findIndex((key) => {
      return isEqualInConstantTime(sign(key.reveal(), stamp.nonce, stamp.timestamp, signedText), stamp.signature)
    })
    if (keyIndex !== -1) return { kind: 'verified', keyIndex, variant, signatureDigest: sha256(stamp.signature) }
  }
  return { kind: 'refused', because: 'signature-mismatch' }
}

export type KitV2Headers = Record<'x-timestamp' | 'x-nonce' | 'x-sign', string>

/**
 * The headers of a signed call, as the marketplace makes them.
 *
 * @param body JSON text of an object
 * @param timestamp epoch ms
 */
export function signKitV2 (accessKey: string, body: string, nonce: string, timestamp: number): KitV2Headers {
  const signature = sign(accessKey, nonce, String(timestamp), canonicalJson(body))
  return { 'x-timestamp': String(timestamp), 'x-nonce': nonce, 'x-sign': signature.toUpperCase() }
}

function sign (accessKey: string, nonce: string, timestamp: string, text: string): string {
  return hmacSha256(accessKey, accessKey, nonce, timestamp, text).toString('hex')
}
