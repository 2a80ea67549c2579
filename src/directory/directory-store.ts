import type { AccessView, AppId, Realm, TenantId, UserName } from './model.ts'
import type { PushMessage } from './push-message.ts'

/** Remembers that a signed message was taken and what was answered, so that the same signature never has a second effect (T-49). */
export interface PushReceipt {
  /** SHA-256 of the message's signature. */
  readonly signatureDigest: string
  /** Epoch ms after which the time window alone refuses the message. */
  readonly expiresAt: number
}

export type CommitOutcome =
  | { readonly kind: 'committed' }
  /** The same signature was taken before; nothing was done now. */
  | { readonly kind: 'repeated' }
  /** Nothing was done: a change to something unknown lacks this member. */
  | { readonly kind: 'incomplete', readonly member: string }

/**
 * What the marketplace told us. A fault of the store rejects with `GW_STORAGE_UNAVAILABLE` and is never an empty answer.
 */
export interface DirectoryStore {
  /**
   * Applies a push (`applyPush`) and keeps its receipt in one transaction. Resolves only after both would survive a power cut;
   * a rejected commit has changed nothing.
   */
  commit (push: PushMessage, receipt: PushReceipt): Promise<CommitOutcome>
  /** All rows that bear on one account's way in; empty lists for what is unknown. */
  viewAccess (realm: Realm, tenantId: TenantId, appId: AppId, userName: UserName): Promise<AccessView>
  /** The same without accounts: enough to find the tenant's authorization server and client. */
  viewTenant (realm: Realm, tenantId: TenantId, appId: AppId): Promise<AccessView>
  /**
   * A number that is another one after each commit for the tenant. Synchronous and about a microsecond, so that each request can
   * ask whether yesterday's decision still stands.
   */
  revisionOf (realm: Realm, tenantId: TenantId): number
  /** Forgets receipts that expired before `now` (epoch ms); returns how many. */
  sweep (now: number): Promise<number>
}
