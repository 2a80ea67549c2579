import type { RootDatabase } from 'lmdb'
import type { Clock } from '../../base/clock.ts'
import type { KeyUsageStore } from '../../base/key-usage-store.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { SigningKeyStore } from '../../base/signing-key-store.ts'
import type { DirectoryListing } from '../../directory/directory-listing.ts'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { ErasureStore } from '../../directory/erasure.ts'
import type { Outbox } from '../../directory/outbox.ts'
import type { PushLog } from '../../directory/push-log.ts'
import type { LoginFlowStore } from '../../session/login-flow.ts'
import type { SessionStore } from '../../session/session-store.ts'
import { createInTurn } from './in-turn.ts'
import { openCounters } from './lmdb-counters.ts'
import { openLmdbDirectoryListing } from './lmdb-directory-listing.ts'
import { openDirectoryRows } from './lmdb-directory-rows.ts'
import { openLmdbDirectoryStore } from './lmdb-directory-store.ts'
import { openLmdbEnvironment, written } from './lmdb-environment.ts'
import { openErasurePlans } from './lmdb-erasure-plans.ts'
import { openLmdbErasureStore } from './lmdb-erasure-store.ts'
import { openLmdbKeyUsageStore } from './lmdb-key-usage-store.ts'
import { openLmdbLoginFlowStore } from './lmdb-login-flow-store.ts'
import { openLmdbOutbox } from './lmdb-outbox.ts'
import { openLmdbPushLog } from './lmdb-push-log.ts'
import { openReceipts } from './lmdb-receipts.ts'
import { openRevisions } from './lmdb-revisions.ts'
import { openLmdbSessionStore } from './lmdb-session-store.ts'
import { openLmdbSigningKeyStore } from './lmdb-signing-key-store.ts'

/** Every port, in one place on one disk. */
export interface Storage {
  readonly directory: DirectoryStore
  readonly listing: DirectoryListing
  readonly outbox: Outbox
  readonly pushLog: PushLog
  readonly erasures: ErasureStore
  readonly keyUsage: KeyUsageStore
  readonly sessions: SessionStore
  readonly flows: LoginFlowStore
  readonly signingKeys: SigningKeyStore
  /** Resolves if a write reaches the disk; rejects with `GW_STORAGE_UNAVAILABLE`. For the readiness probe. */
  check (): Promise<void>
  /** Waits for writes under way. */
  close (): Promise<void>
}

/** What a command may ask beside a running gateway. */
export interface StorageReader {
  readonly directory: Omit<DirectoryStore, 'commit' | 'keepAnswer' | 'sweep'>
  readonly outbox: Pick<Outbox, 'list'>
  readonly pushLog: Pick<PushLog, 'list' | 'find' | 'range'>
  readonly erasures: Pick<ErasureStore, 'listDue' | 'listReceipts'>
  readonly keyUsage: Pick<KeyUsageStore, 'list'>
  close (): Promise<void>
}

/**
 * @param options `readOnly` opens a store that is there, also while a gateway writes it, and makes nothing
 * @throws `GW_STORAGE_UNAVAILABLE` if the folder can't be made or opened
 */
export function openLmdbStorage (folder: string, box: SealedBox, clock: Clock): Storage
export function openLmdbStorage (folder: string, box: SealedBox, clock: Clock, options: { readonly readOnly: true }): StorageReader
export function openLmdbStorage (folder: string, box: SealedBox, clock: Clock, options: { readonly readOnly?: boolean } = {}): Storage {
  const environment = openLmdbEnvironment(folder, options)
  const probe = environment.openDB<number, string>('probe', { encoding: 'msgpack' })
  return {
    ...openDirectoryParts(environment, box, clock),
    keyUsage: openLmdbKeyUsageStore(environment),
    sessions: openLmdbSessionStore(environment, box),
    flows: openLmdbLoginFlowStore(environment, box),
    signingKeys: openLmdbSigningKeyStore(environment, box),
    check: async () => {
      await written(environment, () => probe.put('written', 1))
    },
    close: () => environment.close(),
  }
}

/** What a commit writes in one transaction, and who else writes the same tables: they take turns. */
function openDirectoryParts (environment: RootDatabase, box: SealedBox, clock: Clock): Pick<Storage, 'directory' | 'listing' | 'outbox' | 'pushLog' | 'erasures'> {
  const inTurn = createInTurn()
  const counters = openCounters(environment)
  const rows = openDirectoryRows(environment, box)
  const revisions = openRevisions(environment)
  const plans = openErasurePlans(environment)
  const receipts = openReceipts(environment, box)
  const outbox = openLmdbOutbox(environment, counters)
  const pushLog = openLmdbPushLog(environment, box, counters, inTurn)
  return {
    directory: openLmdbDirectoryStore({ environment, clock, rows, revisions, receipts, plans, outbox, pushLog }, inTurn),
    listing: openLmdbDirectoryListing(environment, rows),
    outbox,
    pushLog,
    erasures: openLmdbErasureStore({ environment, rows, revisions, plans, counters }, inTurn),
  }
}
