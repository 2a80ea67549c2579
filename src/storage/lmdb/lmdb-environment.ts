import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'

/** More than there are tables: LMDB must be told before the first is opened. */
const maximumTables = 64

export interface LmdbOptions {
  readonly readOnly?: boolean
  readonly mustExist?: boolean
}

/**
 * Opens (and makes, mode 700) the folder of the embedded store. Several processes may write it (see `lmdb-turns.ts`); commands may read
 * beside them (`readOnly`) or write a little (`mustExist`), in a store that is there already.
 */
export function openLmdbEnvironment (folder: string, { readOnly = false, mustExist = readOnly }: LmdbOptions = {}): RootDatabase {
  try {
    if (mustExist) refuseMissing(folder)
    else mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Told so, or lmdb takes a folder with a dot in its name (`app.example.com`) for a file and cannot open it.
    // Batches are made by hand: those of an event turn fail on a turn of LMDB's own, where nobody can catch it.
    const environment = open({ path: folder, noSubdir: false, maxDbs: maximumTables, eventTurnBatching: false, readOnly })
    return readOnly ? withoutMissingTables(environment) : environment
  } catch (cause) {
    throw new faults.StorageUnavailable({ cause })
  }
}

function refuseMissing (folder: string): void {
  // LMDB would make the folder and fail afterwards.
  if (!existsSync(join(folder, 'data.mdb'))) throw new Error('there is no store in the folder')
}

/** A reader makes no table: one that a newer version has added is missing until the gateway has run with it. */
function withoutMissingTables (environment: RootDatabase): RootDatabase {
  const openDB = environment.openDB.bind(environment) as (name: string, options: object) => Database | undefined
  environment.openDB = ((name: string, options: object) => {
    const table = openDB(name, options)
    if (table === undefined) throw new faults.StorageUnavailable({ cause: new Error(`the store has no table ${name} yet`) })
    return table
  }) as RootDatabase['openDB']
  return environment
}

/**
 * Runs a store operation; whatever LMDB throws becomes `GW_STORAGE_UNAVAILABLE`, never an empty answer (C-35). It sees all that was
 * committed before it began, by whatever process: lmdb would let it read what was there up to a turn of the event loop ago.
 */
export async function guarded<Result> (environment: RootDatabase, operation: () => Result | Promise<Result>): Promise<Result> {
  try {
    refuseClosed(environment)
    environment.resetReadTxn()
    return await operation()
  } catch (cause) {
    throw toFault(cause)
  }
}

/**
 * The same for an answer that is needed at once and often, so whoever must see what another process has just committed resets the reading
 * by himself.
 */
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
  // LMDB hangs a second promise on a failed commit, which would end the process if nobody took it.
  if (cause instanceof Error && 'commitError' in cause) Promise.resolve(cause.commitError).catch(() => {})
  return cause instanceof faults.StorageCorrupt ? cause : new faults.StorageUnavailable({ cause })
}

/** After a write that failed for want of room lmdb 3.5.6 damages its own memory, so there must always be room. */
const leastFreeBytes = 67_108_864

/** Runs a write that adds to the store: with little room left on the disk nothing new is taken in. */
export function withRoom<Result> (environment: RootDatabase, write: () => Promise<Result>): Promise<Result> {
  return guarded(environment, () => {
    const { path } = environment as RootDatabase & { path: string }
    const { bavail, bsize } = statfsSync(path)
    if (bavail * bsize < leastFreeBytes) throw new Error(`less than ${leastFreeBytes} bytes are free on the disk of the data folder`)
    return write()
  })
}

/**
 * Runs a write that adds to the store and resolves when it would survive a power cut: LMDB shows a commit before the disk has it,
 * so the promise of the write alone is not enough. What is there can still be read and removed when the disk is full.
 */
export function written<Result> (environment: RootDatabase, write: () => Promise<Result>): Promise<Result> {
  return withRoom(environment, async () => {
    const result = await write()
    await environment.flushed
    return result
  })
}
