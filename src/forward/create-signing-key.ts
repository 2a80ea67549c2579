import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { Secret } from '../base/secret.ts'
import type { StoredSigningKey } from '../base/signing-key-store.ts'

type Place = Pick<StoredSigningKey, 'createdAt' | 'signsFrom'> & Partial<Pick<StoredSigningKey, 'follows' | 'revokesEarlier'>>

export async function createSigningKey ({ createdAt, signsFrom, follows, revokesEarlier = false }: Place): Promise<StoredSigningKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { kid, createdAt, follows, signsFrom, revokesEarlier, isEnded: false, jwk: new Secret(JSON.stringify(jwk)) }
}

/** Picks what may be seen: a member that a later library adds to a private key stays private. */
export function publicPartOf ({ kid, jwk }: Pick<StoredSigningKey, 'kid' | 'jwk'>): JWK {
  const { kty, crv, x, y } = JSON.parse(jwk.reveal()) as Required<Pick<JWK, 'kty' | 'crv' | 'x' | 'y'>>
  return { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }
}
