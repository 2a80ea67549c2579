import type { Secret } from './secret.ts'

/** A private ES256 key at rest. */
export interface StoredSigningKey {
  /** The thumbprint of the public key (RFC 7638). */
  readonly kid: string
  /** Epoch ms. */
  readonly createdAt: number
  /** The private key as JWK (RFC 7517) in JSON. Sealed at rest. */
  readonly privateJwk: Secret
}

/** The keys of the identity assertion. A fault rejects with `GW_STORAGE_UNAVAILABLE`. */
export interface SigningKeyStore {
  /** All keys, the oldest first. */
  list (): Promise<readonly StoredSigningKey[]>
  /**
   * Saves the key if the store has none, in one atomic step and durable before it resolves; `false` if there was one. So gateways
   * that start at once on one store agree on one key.
   */
  saveFirst (key: StoredSigningKey): Promise<boolean>
}
