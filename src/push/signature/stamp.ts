import { setImmediate } from 'node:timers/promises'
import { isEqualInConstantTime, sha256 } from '../../base/digest.ts'
import type { Secret } from '../../base/secret.ts'

/** How far a message's time may lie from ours, on either side; exactly this far is near enough (sync.md §3.4). */
export const windowMilliseconds = 60_000

/** What goes with a V2 call beside its body: well-formed and fresh, nothing verified yet. */
export interface Stamp {
  /** 13 digits, as received: the signature covers the characters. */
  readonly timestamp: string
  readonly nonce: string
  /** 64 lower-case hex digits. */
  readonly signature: string
}

export type StampRefusal = 'signature-missing' | 'signature-malformed' | 'signature-stale'

export type StampReading =
  | { readonly kind: 'stamp', readonly stamp: Stamp }
  | { readonly kind: 'refused', readonly because: StampRefusal }

/**
 * Judges the three values of a V2 call, wherever it carries them.
 *
 * The signed text joins nonce and timestamp without a separator, so their forms are what keeps the border in place: of one
 * signature only one cut passes (T-49). Ten digits (seconds) would allow others and are refused (sync.md §6, row 4).
 */
export function judgeStamp ({ timestamp, nonce, signature }: { readonly [Name in keyof Stamp]: unknown }, now: number): StampReading {
  if (!timestamp || !nonce || !signature) return refuse('signature-missing')
  // Repeated headers arrive as an array or joined by commas and fit no pattern (T-40).
  if (typeof timestamp !== 'string' || !/^\d{13}$/.test(timestamp)) return refuse('signature-malformed')
  if (typeof nonce !== 'string' || !/^[A-Za-z0-9]{16,64}$/.test(nonce)) return refuse('signature-malformed')
  if (typeof signature !== 'string' || !/^[0-9A-Fa-f]{64}$/.test(signature)) return refuse('signature-malformed')
  if (Math.abs(now - Number(timestamp)) > windowMilliseconds) return refuse('signature-stale')
  return { kind: 'stamp', stamp: { timestamp, nonce, signature: signature.toLowerCase() } }
}

const refuse = (because: StampRefusal): StampReading => ({ kind: 'refused', because })

export type StampVerification<Variant extends string> =
  | {
    readonly kind: 'verified'
    /** Which of `keys` the signer used. */
    readonly keyIndex: number
    readonly variant: Variant
    /** What the replay memory knows the message by. */
    readonly signatureDigest: string
  }
  | { readonly kind: 'refused', readonly because: 'signature-mismatch' }

interface Candidates<Variant extends string> {
  readonly variants: readonly Variant[]
  readonly textOf: (variant: Variant) => string | Promise<string>
  readonly keys: readonly Secret[]
  /** Gives the signature in lower-case hex. */
  readonly sign: (accessKey: string, nonce: string, timestamp: string, text: string) => string
}

/** Finds the variant and the key that give the stamp's signature; each still needs a key, so none weakens the other. */
export async function verifyStamp<Variant extends string> (
  stamp: Stamp, candidates: Candidates<Variant>,
): Promise<StampVerification<Variant>> {
  const { variants, textOf, keys, sign } = candidates
  for (const variant of variants) {
    const signedText = await textOf(variant)
    const keyIndex = keys.findIndex((key) => {
      return isEqualInConstantTime(sign(key.reveal(), stamp.nonce, stamp.timestamp, signedText), stamp.signature)
    })
    if (keyIndex !== -1) return { kind: 'verified', keyIndex, variant, signatureDigest: sha256(stamp.signature) }
    // Whoever signs nothing has all variants tried; others have their turn in between.
    await setImmediate()
  }
  return { kind: 'refused', because: 'signature-mismatch' }
}
