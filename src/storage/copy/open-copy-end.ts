import { openLmdbCopyEnd } from '../lmdb/lmdb-copy-end.ts'
import type { OpenStorageOptions, StorageSettings } from '../open-storage.ts'
import { openRedisConnection } from '../redis/connection/open-redis-connection.ts'
import { openRedisCopyEnd } from '../redis/copy/redis-copy-end.ts'
import { UnsafeStorageError } from '../unsafe-storage-error.ts'
import type { CopyEnd } from './copy-end.ts'

/** @throws what `openStorage` throws */
export async function openCopyEnd (settings: StorageSettings, options: OpenStorageOptions): Promise<CopyEnd> {
  const { box, clock, mustExist = false } = options
  if (settings.kind === 'lmdb') return openLmdbCopyEnd(settings.directory, box, clock, { mustExist })
  const opened = await openRedisConnection(settings.redis, options)
  if (opened.kind === 'open') return openRedisCopyEnd(opened.connection, box, clock)
  throw new UnsafeStorageError(opened.findings.filter(({ isUnsafe }) => isUnsafe).map(({ text }) => text))
}
