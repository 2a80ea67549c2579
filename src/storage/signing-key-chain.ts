import type { StoredSigningKey } from '../base/signing-key-store.ts'

/** Where a key lies: one place behind each key, so that of two that are made at once only one is kept. `first` is no thumbprint. */
export function placeOfSigningKey ({ follows }: Pick<StoredSigningKey, 'follows'>): string {
  return follows ?? 'first'
}

/** What a version that knew no rotation has stored lacks all but the key itself. */
export function restoreSigningKey (
  stored: Pick<StoredSigningKey, 'kid' | 'createdAt' | 'jwk'> & Partial<StoredSigningKey>,
): StoredSigningKey {
  return { follows: undefined, signsFrom: stored.createdAt, revokesEarlier: false, isEnded: false, ...stored }
}

/** Each key behind the one that it follows; clocks don't decide it. Behind them what a copy that was broken off has left. */
export function inChain (keys: readonly StoredSigningKey[]): StoredSigningKey[] {
  const followers = new Map(keys.map((key) => [key.follows, key]))
  const chain: StoredSigningKey[] = []
  for (let key = followers.get(undefined); key !== undefined; key = followers.get(key.kid)) {
    chain.push(key)
    followers.delete(key.follows)
  }
  return [...chain, ...[...followers.values()].sort((a, b) => a.createdAt - b.createdAt)]
}
