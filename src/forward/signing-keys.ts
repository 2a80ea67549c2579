import { importJWK, type CryptoKey, type JSONWebKeySet, type JWK } from 'jose'
import type { Clock } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../base/signing-key-store.ts'
import { createSigningKey, publicPartOf } from './create-signing-key.ts'
import { judgeSigningKeys, type JudgedSigningKey } from './judge-signing-keys.ts'

/** A key of former times as OpenID Federation 1.0 §8.7 shows it. */
export interface HistoricalJwk extends JWK {
  /** Epoch seconds, as all times here. */
  readonly iat: number
  /** When it signs, or has signed, for the last time. */
  readonly exp?: number
  readonly revoked?: { readonly revoked_at: number, readonly reason: 'compromised' }
}

export interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
}

/** The keys as they were when the store was last looked at: also while it is away, they take turns by the clock. */
export interface SigningKeys {
  /** The one that signs now. */
  current (): SigningKey
  /** Public parts of those that may have signed a valid assertion, and of those that soon will. */
  jwks (): JSONWebKeySet
  /** Public parts of all that there ever were, for what is kept for long. */
  historicalJwks (): { readonly keys: readonly HistoricalJwk[] }
  /** Looks at the store again: another process may have made keys or taken some away. A failure leaves everything as it was. */
  look (): Promise<void>
}

/** The stored keys, after making the first one where there is none. */
export async function loadSigningKeys (store: SigningKeyStore, clock: Clock): Promise<SigningKeys> {
  let stored: readonly StoredSigningKey[] = []
  let signing: ReadonlyArray<SigningKey & Pick<StoredSigningKey, 'signsFrom'>> = []
  const judged = (): JudgedSigningKey[] => judgeSigningKeys(stored, clock.now())

  async function look (): Promise<void> {
    const keys = await listOrMake(store, clock)
    const lives = judgeSigningKeys(keys, clock.now())
    const mayStillSign = lives.filter(({ state }) => state === 'current' || state === 'next')
    signing = await Promise.all(mayStillSign.map(async ({ key: { kid, signsFrom, jwk } }) =>
      signing.find((known) => known.kid === kid) ?? { kid, signsFrom, privateKey: await importPrivateKey(jwk) }))
    stored = keys
    await endSpentKeys(store, lives)
  }
  // One after the other: the answer of a look that was overtaken must not be the last word.
  let last: Promise<void> = Promise.resolve()
  const lookInTurn = (): Promise<void> => {
    const next = last.then(look)
    last = next.catch(() => undefined)
    return next
  }

  await lookInTurn()
  return {
    current () {
      const now = clock.now()
      const key = signing.findLast(({ signsFrom }) => signsFrom <= now) ?? signing[0]
      if (key === undefined) throw new TypeError('there is no key to sign with')
      return key
    },
    jwks: () => ({ keys: judged().filter(({ state }) => state !== 'ended' && state !== 'revoked').map(({ key }) => publicPartOf(key)) }),
    historicalJwks: () => ({ keys: judged().map(historicalPart) }),
    look: lookInTurn,
  }
}

async function listOrMake (store: SigningKeyStore, clock: Clock): Promise<readonly StoredSigningKey[]> {
  const keys = await store.list()
  if (keys.length > 0) return keys
  await store.save(await createSigningKey({ createdAt: clock.now(), signsFrom: clock.now() }))
  return await store.list()
}

async function importPrivateKey (jwk: Secret): Promise<CryptoKey> {
  const privateKey = await importJWK(JSON.parse(jwk.reveal()) as JWK, 'ES256')
  if (privateKey instanceof Uint8Array) throw new TypeError('a signing key must be an elliptic curve key')
  return privateKey
}

/** Takes the private part of each key that is over out of the store. Whoever is first does it, and a second time does no harm. */
export async function endSpentKeys (store: Pick<SigningKeyStore, 'replace'>, keys: readonly JudgedSigningKey[]): Promise<void> {
  const spent = keys.filter(({ key, state }) => (state === 'ended' || state === 'revoked') && !key.isEnded)
  for (const { key } of spent) await store.replace({ ...key, isEnded: true, jwk: new Secret(JSON.stringify(publicPartOf(key))) })
}

function historicalPart ({ key, state, signsUntil }: JudgedSigningKey): HistoricalJwk {
  const seconds = (time: number): number => Math.floor(time / 1000)
  return {
    ...publicPartOf(key),
    iat: seconds(key.createdAt),
    ...(signsUntil !== Infinity && { exp: seconds(signsUntil) }),
    ...(state === 'revoked' && { revoked: { revoked_at: seconds(signsUntil), reason: 'compromised' } }),
  }
}
