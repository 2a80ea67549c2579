import type { StoredSigningKey } from '../base/signing-key-store.ts'

/**
 * So long a key is published before it signs. A cache on the way may hold the set without it for five minutes (`max-age` of
 * `jwks.json`), and common libraries keep what they got for ten more; the rest is for clocks that differ.
 */
export const publishedBeforeUseMs = 20 * 60_000
/** So long after: an assertion lives five minutes; the rest is for clocks that differ and for gateways that learn of it late. */
const publishedAfterUseMs = 60 * 60_000

/** `ended`: nothing that it has signed can be valid any more. `revoked`: taken away before that. */
export type SigningKeyState = 'next' | 'current' | 'retired' | 'ended' | 'revoked'

export interface JudgedSigningKey {
  readonly key: StoredSigningKey
  readonly state: SigningKeyState
  /** Epoch ms; `Infinity` while no other key is to sign after it. */
  readonly signsUntil: number
  /** Epoch ms: until then an upstream may need its public part. */
  readonly publishedUntil: number
}

/** What each key is good for at a time. All gateways say the same of it without talking to each other, as far as their clocks agree. */
export function judgeSigningKeys (keys: readonly StoredSigningKey[], now: number): JudgedSigningKey[] {
  const lives = keys.map((key, index) => ({ key, ...endOf(keys.slice(index + 1)) }))
  const isOver = ({ key, isRevoked, publishedUntil }: typeof lives[number]): boolean => key.isEnded || isRevoked || now >= publishedUntil
  const alive = lives.filter((life) => !isOver(life))
  // By a clock that is behind not even the first has begun.
  const current = alive.findLast(({ key }) => key.signsFrom <= now) ?? alive[0]
  const place = current === undefined ? -1 : lives.indexOf(current)

  return lives.map((life, index) => {
    const { key, signsUntil, publishedUntil, isRevoked } = life
    const stateOfLiving = index === place ? 'current' : index > place ? 'next' : 'retired'
    return { key, signsUntil, publishedUntil, state: isRevoked ? 'revoked' : isOver(life) ? 'ended' : stateOfLiving }
  })
}

/** @param followers the keys that were made after it */
function endOf (followers: readonly StoredSigningKey[]) {
  const relievedAt = followers[0]?.signsFrom ?? Infinity
  const revokedAt = followers.find(({ revokesEarlier }) => revokesEarlier)?.signsFrom ?? Infinity
  const signsUntil = Math.min(relievedAt, revokedAt)
  // One that was over by then has signed nothing that counted.
  const isRevoked = revokedAt < relievedAt + publishedAfterUseMs
  return { signsUntil, isRevoked, publishedUntil: isRevoked ? revokedAt : relievedAt + publishedAfterUseMs }
}
