import type { Clock } from '../base/clock.ts'
import type { SealedBox } from '../base/sealed-box.ts'
import type { ChangeFeed } from '../session/store-changes.ts'
import { openLmdbStorage } from './lmdb/open-lmdb-storage.ts'
import { openRedisConnection } from './redis/connection/open-redis-connection.ts'
import { openRedisStorage } from './redis/open-redis-storage.ts'
import type { RedisSettings } from './redis/connection/redis-settings.ts'
import type { OnRedisEvent } from './redis/connection/watch-clients.ts'
import type { Storage, StorageReader } from './storage.ts'
import { UnsafeStorageError } from './unsafe-storage-error.ts'

export type StorageSettings =
  | { readonly kind: 'lmdb', readonly directory: string }
  | { readonly kind: 'redis', readonly redis: RedisSettings }

export interface OpenStorageOptions {
  readonly box: SealedBox
  readonly clock: Clock
  /** Only warns of a Redis that may lose what was acknowledged. */
  readonly dangerouslyAllowLoss: boolean
  readonly onEvent: OnRedisEvent
  /** As in `LmdbGatewayOptions`; Redis has notifications of its own. */
  readonly changes?: ChangeFeed
  /** An LMDB that isn't there is not made. */
  readonly mustExist?: boolean
}

/**
 * @throws `GW_STORAGE_UNAVAILABLE` if the store can't be reached, `UnsafeStorageError` if it could lose what was acknowledged
 */
export async function openStorage (settings: StorageSettings, options: OpenStorageOptions): Promise<Storage> {
  const { box, clock, mustExist, changes } = options
  if (settings.kind === 'lmdb') {
    return openLmdbStorage(settings.directory, box, clock, { ...(mustExist === true && { mustExist }), ...(changes && { changes }) })
  }
  const opened = await openRedisConnection(settings.redis, options)
  if (opened.kind === 'open') return openRedisStorage(opened.connection, box, clock)
  throw new UnsafeStorageError(opened.findings.filter(({ isUnsafe }) => isUnsafe).map(({ text }) => text))
}

/** For a command that looks beside a running gateway. How safe writes are is none of its business. */
export async function openStorageReader (settings: StorageSettings, { box, clock }: Pick<OpenStorageOptions, 'box' | 'clock'>): Promise<StorageReader> {
  if (settings.kind === 'lmdb') return openLmdbStorage(settings.directory, box, clock, { readOnly: true })
  return await openStorage(settings, { box, clock, dangerouslyAllowLoss: true, onEvent: () => {} })
}
