import type { KeyUsageStore } from '../base/key-usage-store.ts'
import type { LeaseStore } from '../base/lease-store.ts'
import type { RateLimitStore } from '../base/rate-limit-store.ts'
import type { SigningKeyStore } from '../base/signing-key-store.ts'
import type { DirectoryListing } from '../directory/directory-listing.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { ErasureStore } from '../directory/erasure.ts'
import type { Outbox } from '../directory/outbox.ts'
import type { PushLog } from '../directory/push-log.ts'
import type { LoginFlowStore } from '../session/login-flow.ts'
import type { SessionStore } from '../session/session-store.ts'
import type { StoreChanges } from '../session/store-changes.ts'

/** Every port, in one place. */
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
  readonly leases: LeaseStore
  readonly rateLimits: RateLimitStore
  readonly changes: StoreChanges
  /** Resolves if a write would be kept; rejects with `GW_STORAGE_UNAVAILABLE`. For the readiness probe. */
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
  readonly sessions: Pick<SessionStore, 'list'>
  readonly signingKeys: Pick<SigningKeyStore, 'list'>
  close (): Promise<void>
}
