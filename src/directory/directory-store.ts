import type { Instance, OrderKey } from './instance.ts'
import type { AccessView } from './access-view.ts'
import type { AppId, Department, InstanceId, Realm, TenantId, UserName } from './model.ts'
import type { PushRecord } from './push-log.ts'
import type { PushMessage } from './push-message.ts'

/** Remembers that a signed message was taken and what was answered, so that the same signature never has a second effect (T-49). */
export interface PushReceipt {
  /** SHA-256 of the message's signature. */
  readonly signatureDigest: string
  /** Epoch ms after which the time window alone refuses the message. */
  readonly expiresAt: number
  /** What is answered if the commit succeeds, where that is known before; else `keepAnswer` brings it. */
  readonly answer?: string
  /** Archived in the same transaction. */
  readonly record?: PushRecord
}

export type CommitOutcome =
  /** `instance` is the row as it is now, after a push about one. */
  | { readonly kind: 'committed', readonly instance?: Instance }
  /** The same signature was taken before; nothing was done now. `answer` is what was answered then, if that was kept. */
  | { readonly kind: 'repeated', readonly answer?: string }
  /** Nothing was done: a change to something unknown lacks this member. */
  | { readonly kind: 'incomplete', readonly member: string }
  /** Nothing was done: no newInstance has brought this instance. */
  | { readonly kind: 'instance-unknown' }

/**
 * What the marketplace told us. A fault of the store rejects with `GW_STORAGE_UNAVAILABLE` and is never an empty answer.
 */
export interface DirectoryStore {
  /**
   * Applies a push (`applyPush`) and keeps its receipt in one transaction. Resolves only after both would survive a power cut;
   * a rejected commit has changed nothing. Events for the seller's system go to the outbox in the same transaction.
   *
   * @param receipt absent for a change of our own; the store archives that as `gateway`
   */
  commit (push: PushMessage, receipt?: PushReceipt): Promise<CommitOutcome>
  /** Keeps the answer to a message whose commit could not know it. Durable when it resolves. */
  keepAnswer (signatureDigest: string, expiresAt: number, answer: string): Promise<void>
  /** The answer kept for a signature, before anything is done for it again. */
  findAnswer (signatureDigest: string): Promise<string | undefined>
  /** The instances with these ids, unknown ones left out. */
  findInstances (realm: Realm, instanceIds: readonly InstanceId[]): Promise<Instance[]>
  /** The instance that an order made. */
  findInstanceOfOrder (realm: Realm, order: OrderKey): Promise<Instance | undefined>
  /** Active departments of a tenant's instance. */
  listDepartments (realm: Realm, tenantId: TenantId, instanceId: InstanceId): Promise<Department[]>
  /**
   * Everything in one realm as canonical JSON lines in key order, secrets opened, so equal directories give equal bytes. For tools.
   */
  export (realm: Realm): AsyncIterable<string>
  /** All rows that bear on one account's way in; empty lists for what is unknown. */
  viewAccess (realm: Realm, tenantId: TenantId, appId: AppId, userName: UserName): Promise<AccessView>
  /** The same without accounts: enough to find the tenant's authorization server and client. */
  viewTenant (realm: Realm, tenantId: TenantId, appId: AppId): Promise<AccessView>
  /**
   * A number that is another one after each commit for the tenant or for an instance that it is bound to, so that each request can ask
   * whether yesterday's decision still stands. At once where that is known at once: each request asks. With a store that others write
   * too it may be up to half a second old.
   */
  revisionOf (realm: Realm, tenantId: TenantId): number | Promise<number>
  /** Forgets receipts that expired before `now` (epoch ms); returns how many. */
  sweep (now: number): Promise<number>
}
