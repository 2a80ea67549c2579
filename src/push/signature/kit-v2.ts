import type { IncomingHttpHeaders } from 'node:http'
import { hmacSha256 } from '../../base/digest.ts'
import type { Secret } from '../../base/secret.ts'
import { canonicalJson, textVariants, type Signable, type TextVariant } from './canonical-json.ts'
import { judgeStamp, verifyStamp, type Stamp, type StampReading, type StampVerification } from './stamp.ts'

/** The three headers of a Kit V2 call. */
export type KitV2Stamp = Stamp

/** Reads the headers, before the body is: junk costs us no memory. */
export function readKitV2Stamp (headers: IncomingHttpHeaders, now: number): StampReading {
  const { 'x-timestamp': timestamp, 'x-nonce': nonce, 'x-sign': signature } = headers
  return judgeStamp({ timestamp, nonce, signature }, now)
}

export type Verification = StampVerification<TextVariant>

/** Verifies a body against every variant of its signed text and every access key. */
export async function verifyKitV2 (stamp: KitV2Stamp, text: Signable, keys: readonly Secret[]): Promise<Verification> {
  return verifyStamp(stamp, { variants: textVariants, textOf: (variant) => text.textOf(variant), keys, sign })
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
