import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { Secret } from '../../base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../base/signing-key-store.ts'
import { inChain, placeOfSigningKey, restoreSigningKey } from '../signing-key-chain.ts'
import { guarded, written } from './lmdb-environment.ts'

type StoredRow = Pick<StoredSigningKey, 'kid' | 'createdAt'> & Partial<Omit<StoredSigningKey, 'jwk'>> & { sealedJwk: Buffer }

export function openLmdbSigningKeyStore (environment: RootDatabase, box: SealedBox): SigningKeyStore {
  const keys: Database<StoredRow, string> = environment.openDB('signing-keys', { encoding: 'msgpack', useVersions: true })
  const sealContext = (kid: string): string => `signing-key:${kid}`

  const rowOf = ({ jwk, ...rest }: StoredSigningKey): StoredRow =>
    ({ ...rest, sealedJwk: box.seal(jwk.reveal(), sealContext(rest.kid)) })

  return {
    list: () => guarded(environment, () => inChain([...keys.getRange()].map(({ value: { sealedJwk, ...rest } }) => {
      const opened = box.open(sealedJwk, sealContext(rest.kid))
      if (opened === undefined) throw new faults.StorageCorrupt()
      return restoreSigningKey({ ...rest, jwk: new Secret(opened.toString()) })
    }))),

    save (key) {
      const row = rowOf(key)
      return written(environment, () => keys.put(placeOfSigningKey(key), row, 1, null as unknown as number))
    },

    async replace (key) {
      const row = rowOf(key)
      await written(environment, () => keys.put(placeOfSigningKey(key), row, 1))
    },
  }
}
