import { systemClock, type Clock } from '../base/clock.ts'
import { codeOf } from '../base/coded-errors.ts'
import { SealedBox } from '../base/sealed-box.ts'
import { loadConfig, processSources, type Config } from '../config/load-config.ts'
import { openLmdbStorage, type StorageReader } from '../storage/lmdb/open-lmdb-storage.ts'
import { exitCodes, printComplaints } from './report.ts'

/** What a command that looks at a store is given. */
export interface OpenedStore {
  readonly config: Config
  readonly storage: StorageReader
  readonly box: SealedBox
  readonly clock: Clock
}

/**
 * Runs a command over the store that the configuration names, read-only, also while a gateway writes it.
 *
 * @returns the command's exit code, or the one for a configuration or a store that can't be read
 */
export async function withStore (command: (store: OpenedStore) => Promise<number>): Promise<number> {
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    printComplaints(loaded.complaints)
    return exitCodes.config
  }
  const { config } = loaded
  const box = new SealedBox(config.secretKeys.map((key) => Buffer.from(key.reveal(), 'base64')))
  try {
    const storage = openLmdbStorage(config.storage.directory, box, systemClock, { readOnly: true })
    try {
      return await command({ config, storage, box, clock: systemClock })
    } finally {
      await storage.close()
    }
  } catch (error) {
    if (!(error instanceof Error) || codeOf(error)?.startsWith('GW_STORAGE_') !== true) throw error
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
    process.stderr.write(`jointgate: the store in ${config.storage.directory} cannot be read: ${error.message}${cause}\n`)
    return exitCodes.fault
  }
}
