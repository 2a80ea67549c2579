import { createPrivateKey, hash, type KeyObject } from 'node:crypto'
import type { Secret } from '../base/secret.ts'

/** Which interfaces a key is bound to: the marketplace binds no key to both (sync.md §3.0). */
export type KeyKind = 'kit' | 'production'

/** All valid at once; an answer is signed with the access key that the call was signed with, else with the first of its kind. */
export interface PushKeys {
  readonly kitKeys: readonly Secret[]
  readonly productionKeys: readonly Secret[]
  /** PEM texts, newest first: an old one stays until all tenants were synchronised under the new one. */
  readonly privateKeys: readonly Secret[]
}

/** Asked once for each call, so that a set of keys can be exchanged while the gateway runs. */
export interface PushKeySource { current (): PushKeys }

export function accessKeysOf (kind: KeyKind, keys: PushKeys): readonly Secret[] {
  return kind === 'kit' ? keys.kitKeys : keys.productionKeys
}

/** With what an answer is signed before anybody knows which key signed the call. Any key is better than none: who checks finds a reason. */
export function firstKeyOf (kind: KeyKind, keys: PushKeys): Secret | undefined {
  const [ofKind] = accessKeysOf(kind, keys)
  return ofKind ?? keys.kitKeys[0] ?? keys.productionKeys[0]
}

/** By what a key is known in logs and lists: 32 bits of its hash tell keys apart and help nobody to guess one. */
export function fingerprintOf (accessKey: Secret): string {
  return hash('sha256', accessKey.reveal()).slice(0, 8)
}

/** The private keys of a set, read once for each set. */
export function createPrivateKeyRing (): (keys: PushKeys) => readonly KeyObject[] {
  const rings = new WeakMap<PushKeys, readonly KeyObject[]>()
  return (keys) => {
    const ring = rings.get(keys) ?? keys.privateKeys.map((key) => createPrivateKey(key.reveal()))
    rings.set(keys, ring)
    return ring
  }
}
