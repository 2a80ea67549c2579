import type { StorageSettings } from '../storage/open-storage.ts'
import type { Config } from './load-config.ts'
import type { StorageSetting } from './storage-form.ts'

/** What `openStorage` is given. */
export function storageSettingsOf ({ storage, redis }: Pick<Config, 'storage' | 'redis'>): StorageSettings {
  return storage.kind === 'lmdb' ? storage : { kind: 'redis', redis: { ...storage, ...redis } }
}

/** Where the store is, in words for a person; without user and password. */
export function describeStorage (storage: StorageSetting): string {
  if (storage.kind === 'lmdb') return `LMDB in ${storage.directory}`
  const { topology, nodes, masterName, tls, database, prefix } = storage
  const hosts = nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  const place = {
    single: `Redis at ${hosts}, database ${database}`,
    sentinel: `Redis, master ${masterName ?? ''} of the sentinels at ${hosts}, database ${database}`,
    cluster: `Redis Cluster at ${hosts}`,
  }[topology]
  return `${place}, keys begin with ${prefix}${tls ? ', TLS' : ''}`
}
