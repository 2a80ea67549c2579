import { mkdirSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'

/** Opens (and makes, mode 700) the folder of the embedded store. One process writes it; commands may read beside it. */
export function openLmdbEnvironment (folder: string): RootDatabase {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Told so, or lmdb takes a folder with a dot in its name (`app.example.com`) for a file and cannot open it.
    return open({ path: folder, noSubdir: false, maxDbs: 16 })
  } catch (cause) {
    throw new faults.StorageUnavailable({ cause })
  }
}

/** Runs a store operation; whatever LMDB throws becomes `GW_STORAGE_UNAVAILABLE`, never an empty answer (C-35). */
export async function guarded<Result> (environment: RootDatabase, operation: () => Result | Promise<Result>): Promise<Result> {
  try {
    refuseClosed(environment)
    return await operation()
  } catch (cause) {
    throw toFault(cause)
  }
}

/** The same for an answer that is needed at once. */
export function guardedNow<Result> (environment: RootDatabase, operation: () => Result): Result {
  try {
    refuseClosed(environment)
    return operation()
  } catch (cause) {
    throw toFault(cause)
  }
}

/** A write to a closed environment fails on a turn of LMDB's own, where nobody can catch it: the process would end. */
function refuseClosed (environment: RootDatabase): void {
  const { status } = environment as RootDatabase & { status: string }
  if (status !== 'open') throw new Error(`the LMDB environment is ${status}`)
}

function toFault (cause: unknown): unknown {
  return cause instanceof faults.StorageCorrupt ? cause : new faults.StorageUnavailable({ cause })
}

/**
 * Writes all that `write` puts and removes in one transaction and resolves when it would survive a power cut. LMDB shows a commit
 * before the disk has it, so the promise of the write alone is not enough.
 *
 * The writes run on LMDB's own thread: the event loop doesn't wait for the disk. (Its asynchronous transactions with a callback
 * would, and never came back on Node 20 with lmdb 3.5.6.)
 */
export function commitDurably (environment: RootDatabase, write: () => void): Promise<void> {
  return guarded(environment, async () => {
    await environment.batch(write)
    await environment.flushed
  })
}
