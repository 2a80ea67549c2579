import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JSONWebKeySet, type JWK } from 'jose'
import type { Clock } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../base/signing-key-store.ts'

export interface SigningKeys {
  readonly kid: string
  readonly privateKey: CryptoKey
  /** Public parts only. */
  readonly jwks: JSONWebKeySet
}

/** The stored keys, after making the first one where there is none. The newest signs, all are published. */
export async function loadSigningKeys (store: SigningKeyStore, clock: Clock): Promise<SigningKeys> {
  let stored = await store.list()
  if (stored.length === 0) {
    await store.saveFirst(await createSigningKey(clock))
    stored = await store.list()
  }
  const newest = stored.at(-1)
  if (newest === undefined) throw new TypeError('the signing key store lost the key it was given')
  const privateKey = await importJWK(JSON.parse(newest.privateJwk.reveal()) as JWK, 'ES256')
  if (privateKey instanceof Uint8Array) throw new TypeError('a signing key must be an elliptic curve key')
  return { kid: newest.kid, privateKey, jwks: { keys: stored.map(publicPart) } }
}

async function createSigningKey (clock: Clock): Promise<StoredSigningKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { kid: await calculateJwkThumbprint(jwk), createdAt: clock.now(), privateJwk: new Secret(JSON.stringify(jwk)) }
}

/** Picks what may be seen: a member that a later library adds to a private key stays private. */
function publicPart ({ kid, privateJwk }: StoredSigningKey): JWK {
  const { kty, crv, x, y } = JSON.parse(privateJwk.reveal()) as Required<Pick<JWK, 'kty' | 'crv' | 'x' | 'y'>>
  return { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }
}
