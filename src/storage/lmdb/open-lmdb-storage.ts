import type { RootDatabase } from 'lmdb'
import type { Clock } from '../../base/clock.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { createChangeFeed, type ChangeFeed } from '../../session/store-changes.ts'
import { guardStorage } from '../guard-storage.ts'
import type { Storage, StorageReader } from '../storage.ts'
import { openCounters } from './lmdb-counters.ts'
import { openLmdbDirectoryListing } from './lmdb-directory-listing.ts'
import { openDirectoryRows } from './lmdb-directory-rows.ts'
import { openLmdbDirectoryStore } from './lmdb-directory-store.ts'
import { type LmdbOptions, openLmdbEnvironment, written } from './lmdb-environment.ts'
import { openErasurePlans } from './lmdb-erasure-plans.ts'
import { openLmdbErasureStore } from './lmdb-erasure-store.ts'
import { openLmdbKeyUsageStore } from './lmdb-key-usage-store.ts'
import { openLmdbLeaseStore } from './lmdb-lease-store.ts'
import { openLmdbLoginFlowStore } from './lmdb-login-flow-store.ts'
import { openMoveState } from './lmdb-move-state.ts'
import { openLmdbOutbox } from './lmdb-outbox.ts'
import { openLmdbPushLog } from './lmdb-push-log.ts'
import { openLmdbRateLimitStore } from './lmdb-rate-limit-store.ts'
import { openReceipts } from './lmdb-receipts.ts'
import { openRevisions } from './lmdb-revisions.ts'
import { openLmdbSessionStore } from './lmdb-session-store.ts'
import { openLmdbSigningKeyStore } from './lmdb-signing-key-store.ts'
import { openTurns, type TakeTurn } from './lmdb-turns.ts'

export interface LmdbGatewayOptions {
  readonly mustExist?: true
  /** Where this process's changes are told, and those of others that it hears of; a feed of its own if absent. */
  readonly changes?: ChangeFeed
}

/**
 * @param options `readOnly` opens a store that is there, also while a gateway writes it, and makes nothing; `mustExist` makes none either
 * but writes it, for a command beside a gateway
 * @throws `GW_STORAGE_UNAVAILABLE` if the folder can't be made or opened
 */
export function openLmdbStorage (folder: string, box: SealedBox, clock: Clock, options?: LmdbGatewayOptions): Storage
export function openLmdbStorage (folder: string, box: SealedBox, clock: Clock, options: { readonly readOnly: true }): StorageReader
export function openLmdbStorage (
  folder: string, box: SealedBox, clock: Clock, options: LmdbOptions & LmdbGatewayOptions = {},
): Storage {
  const environment = openLmdbEnvironment(folder, options)
  const storage = openLmdbPorts(environment, box, clock, options)
  return options.readOnly === true ? storage : guardStorage(storage, openMoveState(environment).read)
}

/** The same whatever the move state says, for whoever moves the store. */
export function openLmdbPorts (
  environment: RootDatabase, box: SealedBox, clock: Clock, options: LmdbOptions & LmdbGatewayOptions = {},
): Storage {
  const probe = environment.openDB<number, string>('probe', { encoding: 'msgpack' })
  const { changes = createChangeFeed() } = options
  const turns = openTurns(environment, clock)
  return {
    ...openDirectoryParts(environment, box, clock, changes, turns('directory')),
    keyUsage: openLmdbKeyUsageStore(environment, turns('key-usage')),
    sessions: openLmdbSessionStore(environment, box, changes, options),
    flows: openLmdbLoginFlowStore(environment, box),
    signingKeys: openLmdbSigningKeyStore(environment, box),
    leases: openLmdbLeaseStore(environment),
    rateLimits: openLmdbRateLimitStore(environment),
    changes,
    check: async () => {
      await written(environment, () => probe.put('written', 1))
    },
    close: () => environment.close(),
  }
}

/** What a commit writes in one transaction, and who else writes the same tables: they take turns. */
function openDirectoryParts (
  environment: RootDatabase, box: SealedBox, clock: Clock, changes: ChangeFeed, takeTurn: TakeTurn,
): Pick<Storage, 'directory' | 'listing' | 'outbox' | 'pushLog' | 'erasures'> {
  const counters = openCounters(environment)
  const rows = openDirectoryRows(environment, box)
  const revisions = openRevisions(environment)
  const plans = openErasurePlans(environment)
  const receipts = openReceipts(environment, box)
  const outbox = openLmdbOutbox(environment, counters)
  const pushLog = openLmdbPushLog(environment, box, counters, takeTurn)
  return {
    directory: openLmdbDirectoryStore({ environment, clock, rows, revisions, receipts, plans, outbox, pushLog, changes }, takeTurn),
    listing: openLmdbDirectoryListing(environment, rows),
    outbox,
    pushLog,
    erasures: openLmdbErasureStore({ environment, rows, revisions, plans, counters, changes }, takeTurn),
  }
}
