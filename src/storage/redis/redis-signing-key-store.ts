import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { Secret } from '../../base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../base/signing-key-store.ts'
import { inChain, placeOfSigningKey, restoreSigningKey } from '../signing-key-chain.ts'
import type { RedisConnection } from './connection/redis-connection.ts'
import { SlotBatch } from './connection/slot-batch.ts'
import { anythingMessage } from './redis-changes.ts'

/** In JSON. The member's name is that of the version that kept private keys only. */
type StoredText = Pick<StoredSigningKey, 'kid' | 'createdAt'> & Partial<Omit<StoredSigningKey, 'jwk'>> & { privateJwk: string }

export function openRedisSigningKeyStore (connection: RedisConnection, box: SealedBox): SigningKeyStore {
  const { keys, reads } = connection
  const hash = keys.own('signing-keys')

  return {
    list: () => connection.guarded(async () => inChain(Object.entries(await reads.hgetallBuffer(hash))
      .map(([place, sealed]) => open(box, place, sealed)))),

    async save (key) {
      const place = placeOfSigningKey(key)
      const batch = new SlotBatch()
      batch.expectField(hash, place, '')
      batch.put(hash, place, seal(box, place, key))
      // Each gateway looks by itself, but after a leak sooner is better.
      if (key.follows !== undefined) batch.publish(keys.channel, anythingMessage)
      return await connection.commit(batch) === 0
    },

    async replace (key) {
      const place = placeOfSigningKey(key)
      const batch = new SlotBatch()
      batch.put(hash, place, seal(box, place, key))
      await connection.commit(batch)
    },
  }
}

/** For a copy: what is there under this place is no more. */
export async function forgetSigningKey (connection: RedisConnection, place: string): Promise<void> {
  const batch = new SlotBatch()
  batch.run('HDEL', connection.keys.own('signing-keys'), place)
  await connection.commit(batch)
}

function seal (box: SealedBox, place: string, { jwk, ...rest }: StoredSigningKey): Buffer {
  return box.seal(JSON.stringify({ ...rest, privateJwk: jwk.reveal() } satisfies StoredText), sealContext(place))
}

function open (box: SealedBox, place: string, sealed: Buffer): StoredSigningKey {
  const opened = box.open(sealed, sealContext(place))
  if (opened === undefined) throw new faults.StorageCorrupt()
  const { privateJwk, ...rest } = JSON.parse(opened.toString()) as StoredText
  return restoreSigningKey({ ...rest, jwk: new Secret(privateJwk) })
}

function sealContext (place: string): string {
  return `signing-key:${place}`
}
