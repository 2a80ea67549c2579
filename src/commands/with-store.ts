import { systemClock, type Clock } from '../base/clock.ts'
import { codeOf } from '../base/coded-errors.ts'
import type { SealedBox } from '../base/sealed-box.ts'
import { loadConfig, processSources, type Config } from '../config/load-config.ts'
import { sealedBoxOf } from '../config/sealed-box-of.ts'
import { describeStorage, storageSettingsOf } from '../config/storage-settings-of.ts'
import { openStorage, openStorageReader } from '../storage/open-storage.ts'
import type { Storage, StorageReader } from '../storage/storage.ts'
import { exitCodes, printComplaints } from './report.ts'

/** What a command that looks at a store is given. */
export interface OpenedStore {
  readonly config: Config
  readonly storage: StorageReader
  readonly box: SealedBox
  readonly clock: Clock
}

/** What a command that changes a store is given. */
export interface WritableStore extends Omit<OpenedStore, 'storage'> {
  readonly storage: Storage
}

/**
 * Runs a command over the store that the configuration names, read-only, also while a gateway writes it.
 *
 * @returns the command's exit code, or the one for a configuration or a store that can't be read
 */
export async function withStore (command: (store: OpenedStore) => Promise<number>): Promise<number> {
  return await withOpened(openReader, command)
}

/** The same for a command that writes, also while a gateway does; it makes no store. */
export async function withWritableStore (command: (store: WritableStore) => Promise<number>): Promise<number> {
  return await withOpened(openWriter, command)
}

async function withOpened<Opened extends { close (): Promise<void> }> (
  open: (config: Config, box: SealedBox) => Promise<Opened>, command: (store: Omit<OpenedStore, 'storage'> & { readonly storage: Opened }) => Promise<number>,
): Promise<number> {
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    printComplaints('jointgate', loaded.complaints)
    return exitCodes.config
  }
  const { config } = loaded
  const box = sealedBoxOf(config)
  try {
    const storage = await open(config, box)
    try {
      return await command({ config, storage, box, clock: systemClock })
    } finally {
      await storage.close()
    }
  } catch (error) {
    if (!(error instanceof Error) || codeOf(error)?.startsWith('GW_STORAGE_') !== true) throw error
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
    process.stderr.write(`jointgate: the store (${describeStorage(config.storage)}) cannot be read: ${error.message}${cause}\n`)
    return exitCodes.fault
  }
}

function openReader (config: Config, box: SealedBox): Promise<StorageReader> {
  return openStorageReader(storageSettingsOf(config), { box, clock: systemClock })
}

function openWriter (config: Config, box: SealedBox): Promise<Storage> {
  const { dangerouslyAllowLoss } = config
  return openStorage(storageSettingsOf(config), { box, clock: systemClock, dangerouslyAllowLoss, onEvent: () => {}, mustExist: true })
}
