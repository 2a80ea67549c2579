import type { StoredSigningKey } from '../base/signing-key-store.ts'
import { judgeSigningKeys } from '../forward/judge-signing-keys.ts'

/** What somebody may know of each signing key: no part of it. */
export function signingKeyFacts (keys: readonly StoredSigningKey[], now: number) {
  return judgeSigningKeys(keys, now).map(({ key: { kid, createdAt, signsFrom }, state, signsUntil, publishedUntil }) => ({
    kid,
    state,
    createdAt: timeText(createdAt),
    signsFrom: timeText(signsFrom),
    signsUntil: timeText(signsUntil),
    publishedUntil: timeText(publishedUntil),
  }))
}

/** `undefined` for what has no end yet. */
export function timeText (time: number | undefined): string | undefined {
  return time === undefined || time === Infinity ? undefined : new Date(time).toISOString()
}

/** Without those that nobody needs any more: of them there are more each time. */
export function signingKeyRows (facts: ReturnType<typeof signingKeyFacts>): string[][] {
  return facts.filter(({ state }) => state !== 'ended' && state !== 'revoked').map(({ kid, state, signsFrom, publishedUntil }) => [
    `  ${kid}`, state, `signs from ${signsFrom ?? ''}`, publishedUntil === undefined ? '' : `published until ${publishedUntil}`,
  ])
}
