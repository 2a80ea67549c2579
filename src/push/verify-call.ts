import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { Secret } from '../base/secret.ts'
import type { PushVersion } from '../directory/model.ts'
import type { KitInterface } from './kit/kit-interface.ts'
import type { KeyKind } from './push-keys.ts'
import type { PushOutcome, SignatureScheme } from './push-report.ts'
import { readV1Query } from './signature/auth-token-query.ts'
import type { Parameters } from './signature/auth-token-text.ts'
import {
  authTokenWindowMilliseconds, readAuthTokenHeader, verifyAuthTokenGet, verifyAuthTokenPost, type V1Verification,
} from './signature/auth-token.ts'
import { readBaseV2Stamp, verifyBaseV2 } from './signature/base-v2.ts'
import { readSignableTextInTurns } from './signature/canonical-json.ts'
import { readKitV2Stamp, verifyKitV2 } from './signature/kit-v2.ts'
import { windowMilliseconds, type StampReading } from './signature/stamp.ts'
import { formatWireTime } from './signature/wire-time.ts'

/** A call by the way in which it is signed (sync.md §3), nothing of it believed yet. */
export type PushCall =
  | { readonly scheme: 'kit-v2', readonly kit: KitInterface, readonly headers: IncomingHttpHeaders, readonly body: Buffer }
  | { readonly scheme: 'kit-v1', readonly kit: KitInterface, readonly headers: IncomingHttpHeaders, readonly body: Buffer }
  /** `query` is raw: what follows the `?`. */
  | { readonly scheme: 'base-v2', readonly query: string, readonly body: Buffer }
  | { readonly scheme: 'base-v1', readonly query: string }

export function keyKindOf (scheme: SignatureScheme): KeyKind {
  return scheme.startsWith('kit') ? 'kit' : 'production'
}

export function generationOf (scheme: SignatureScheme): 'v1' | 'v2' {
  return scheme.endsWith('v1') ? 'v1' : 'v2'
}

/** What a call says, verified; of nothing else may be acted on (T-50). */
export type VerifiedContent =
  | { readonly scheme: 'kit-v2', readonly kit: KitInterface, readonly body: unknown }
  | { readonly scheme: 'kit-v1', readonly kit: KitInterface, readonly parameters: Parameters }
  | { readonly scheme: 'base-v2', readonly body: unknown, readonly version: PushVersion }
  | { readonly scheme: 'base-v1', readonly parameters: Parameters, readonly version: PushVersion }

export interface VerifiedCall {
  readonly content: VerifiedContent
  readonly keyIndex: number
  readonly variant: string
  readonly signatureDigest: string
  /** Epoch ms after which the time window alone refuses the message. */
  readonly expiresAt: number
  /** Readers differ on which of two equal names counts, so no form of such a text has one meaning (T-50). */
  readonly hasRepeatedNames: boolean
}

export type CallVerification =
  | { readonly kind: 'verified', readonly call: VerifiedCall }
  | { readonly kind: 'refused', readonly because: PushOutcome }

const largeBodyBytes = 100_000

/** Outlives the time window by more than any step of our clock, so that a receipt never goes before the window closes. */
const receiptMarginMilliseconds = 10 * 60_000

/**
 * Judges what can be judged before the body is read: junk costs us no memory.
 *
 * @returns why the call is refused, `undefined` if it may go on
 */
export function judgeStampOf (scheme: SignatureScheme, { headers, query }: { headers: IncomingHttpHeaders, query: string }, now: number) {
  const reading = (() => {
    switch (scheme) {
      case 'kit-v2': return readKitV2Stamp(headers, now)
      case 'kit-v1': return readAuthTokenHeader(headers.authtoken)
      case 'base-v2': return readBaseV2Stamp(query, now)
      case 'base-v1': return readV1Query(query)
    }
  })()
  return reading.kind === 'refused' ? reading.because : undefined
}

/** Verifies a call against all keys of its kind. The stamp is judged again: a body that dribbles in must not outlive its window. */
export async function verifyCall (call: PushCall, keys: readonly Secret[], now: number): Promise<CallVerification> {
  switch (call.scheme) {
    case 'kit-v2': return verifyV2(call, readKitV2Stamp(call.headers, now), keys)
    case 'base-v2': return verifyV2(call, readBaseV2Stamp(call.query, now), keys)
    case 'kit-v1': return verifyKitV1(call, keys, now)
    case 'base-v1': {
      const reading = readV1Query(call.query)
      if (reading.kind === 'refused') return reading
      return fromV1(verifyAuthTokenGet(reading.query, keys, now), ({ parameters, sentAt }) =>
        ({ scheme: 'base-v1', parameters, version: formatWireTime(sentAt, 'utc+8') as PushVersion }))
    }
  }
}

async function verifyV2 (
  call: PushCall & { scheme: 'kit-v2' | 'base-v2' }, reading: StampReading, keys: readonly Secret[],
): Promise<CallVerification> {
  if (reading.kind === 'refused') return reading
  const text = isUtf8(call.body) ? call.body.toString() : ''
  const signable = await readSignableTextInTurns(text)
  if (signable.kind === 'unreadable') return { kind: 'refused', because: `body-${signable.because}` }
  const verify = call.scheme === 'kit-v2' ? verifyKitV2 : verifyBaseV2
  const verification = await verify(reading.stamp, signable, keys)
  if (verification.kind === 'refused') return verification
  const sentAt = Number(reading.stamp.timestamp)
  // Of a large body the signature and the parsing take some ten milliseconds each.
  if (call.body.length > largeBodyBytes) await setImmediate()
  const body: unknown = JSON.parse(text)
  const content: VerifiedContent = call.scheme === 'kit-v2'
    ? { scheme: 'kit-v2', kit: call.kit, body }
    : { scheme: 'base-v2', body, version: formatWireTime(sentAt, 'utc+8') as PushVersion }
  const { keyIndex, variant, signatureDigest } = verification
  const expiresAt = sentAt + windowMilliseconds + receiptMarginMilliseconds
  return { kind: 'verified', call: { content, keyIndex, variant, signatureDigest, expiresAt, hasRepeatedNames: signable.hasDuplicateNames } }
}

async function verifyKitV1 (call: PushCall & { scheme: 'kit-v1' }, keys: readonly Secret[], now: number): Promise<CallVerification> {
  const reading = readAuthTokenHeader(call.headers.authtoken)
  if (reading.kind === 'refused') return reading
  const signable = await readSignableTextInTurns(isUtf8(call.body) ? call.body.toString() : '')
  if (signable.kind === 'unreadable') return { kind: 'refused', because: `body-${signable.because}` }
  return fromV1(verifyAuthTokenPost(reading.authToken, signable, keys, now), ({ parameters }) => ({ scheme: 'kit-v1', kit: call.kit, parameters }))
}

type VerifiedV1 = V1Verification & { kind: 'verified' }

function fromV1 (verification: V1Verification, contentOf: (verified: VerifiedV1) => VerifiedContent): CallVerification {
  if (verification.kind === 'refused') return { kind: 'refused', because: verification.because }
  const { keyIndex, variant, signatureDigest, sentAt } = verification
  const expiresAt = sentAt + authTokenWindowMilliseconds + receiptMarginMilliseconds
  return { kind: 'verified', call: { content: contentOf(verification), keyIndex, variant, signatureDigest, expiresAt, hasRepeatedNames: false } }
}
