import { mkdirSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'

/** Opens (and makes, mode 700) the folder of the embedded store. One process writes it; commands may read beside it. */
export function openLmdbEnvironment (folder: string): RootDatabase {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return open({ path: folder, maxDbs: 16 })
  } catch (cause) {
    throw new faults.StorageUnavailable({ cause })
  }
}

/** Runs a store operation; whatever LMDB throws becomes `GW_STORAGE_UNAVAILABLE`, never an empty answer (C-35). */
export async function guarded<Result> (operation: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await operation()
  } catch (cause) {
    throw cause instanceof faults.StorageCorrupt ? cause : new faults.StorageUnavailable({ cause })
  }
}

/**
 * Writes all that `write` puts and removes in one transaction and resolves when it would survive a power cut. LMDB shows a commit
 * before the disk has it, so the promise of the write alone is not enough.
 *
 * The writes run on LMDB's own thread: the event loop doesn't wait for the disk. (Its asynchronous transactions with a callback
 * would, and never came back on Node 20 with lmdb 3.5.6.)
 */
export function commitDurably (environment: RootDatabase, write: () => void): Promise<void> {
  return guarded(async () => {
    await environment.batch(write)
    await environment.flushed
  })
}
