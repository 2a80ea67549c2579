import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { Secret } from '../../base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../base/signing-key-store.ts'
import { guarded, written } from './lmdb-environment.ts'

type StoredRow = Omit<StoredSigningKey, 'privateJwk'> & { sealedJwk: Buffer }

/** The key that a new store is given, at one fixed place, so that of two gateways starting at once only one writes it. */
const firstKey = 'first'

export function openLmdbSigningKeyStore (environment: RootDatabase, box: SealedBox): SigningKeyStore {
  const keys: Database<StoredRow, string> = environment.openDB('signing-keys', { encoding: 'msgpack', useVersions: true })
  const sealContext = (kid: string): string => `signing-key:${kid}`

  return {
    list: () => guarded(environment, () => [...keys.getRange()]
      .map(({ value: { sealedJwk, ...rest } }) => {
        const opened = box.open(sealedJwk, sealContext(rest.kid))
        if (opened === undefined) throw new faults.StorageCorrupt()
        return { ...rest, privateJwk: new Secret(opened.toString()) }
      })
      .sort((a, b) => a.createdAt - b.createdAt)),

    saveFirst ({ privateJwk, ...rest }) {
      const row = { ...rest, sealedJwk: box.seal(privateJwk.reveal(), sealContext(rest.kid)) }
      return written(environment, () => keys.put(firstKey, row, 1, null as unknown as number))
    },
  }
}
