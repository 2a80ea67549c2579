import type { Secret } from './secret.ts'

/** A key of the identity assertion at rest. Each follows another one; none is ever taken out: of one that is over the public part stays. */
export interface StoredSigningKey {
  /** The thumbprint of the public key (RFC 7638). */
  readonly kid: string
  /** Epoch ms. */
  readonly createdAt: number
  /** The `kid` of the key that it was made after; `undefined` for a store's first. */
  readonly follows: string | undefined
  /** Epoch ms from which on it signs instead of that one. */
  readonly signsFrom: number
  /** Whether those before it may have leaked: from its making on none of them counts. */
  readonly revokesEarlier: boolean
  /** Whether the private part is gone. */
  readonly isEnded: boolean
  /** The key as JWK (RFC 7517) in JSON, the private one until it is over. Sealed at rest. */
  readonly jwk: Secret
}

/** The keys of the identity assertion. A fault rejects with `GW_STORAGE_UNAVAILABLE`. */
export interface SigningKeyStore {
  /** All keys, each behind the one that it follows. */
  list (): Promise<readonly StoredSigningKey[]>
  /**
   * Saves the key if none follows the same one yet, in one atomic step and durable before it resolves; `false` if there is one. So
   * whoever makes keys at the same time on one store agrees on one key.
   */
  save (key: StoredSigningKey): Promise<boolean>
  /** Writes over the key that follows the same one. */
  replace (key: StoredSigningKey): Promise<void>
}
