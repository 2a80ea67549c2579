import type { AppId, InstanceId, PushVersion, TenantId, UserName } from './model.ts'

/** Whose personal data a message has asked us to forget, once the retention time is over. */
export type ErasureScope =
  /** The whole instance after a release: its tenants, clients, accounts and departments. */
  | { readonly kind: 'instance', readonly instanceId: InstanceId }
  /** A tenant's binding that was dissolved, with all that came under it. */
  | { readonly kind: 'tenant', readonly tenantId: TenantId, readonly instanceId: InstanceId }
  | { readonly kind: 'account', readonly tenantId: TenantId, readonly appId: AppId, readonly userName: UserName, readonly instanceId: InstanceId }

/** Waits in the store until its time; dropped without effect if what it names is alive again. Production only. */
export interface PlannedErasure {
  readonly scope: ErasureScope
  /** The message that asked for it. */
  readonly version: PushVersion
}

/** What was erased, without any personal value. */
export interface ErasureSummary {
  readonly kind: ErasureScope['kind']
  readonly tenantId?: TenantId
  readonly instanceId: InstanceId
  /** Rows removed. */
  readonly tenants: number
  readonly bindings: number
  readonly accounts: number
  readonly departments: number
  /** The message that asked for it. */
  readonly version: PushVersion
}

/** A summary as a compact JWS (ES256, typ `erasure-receipt+jwt`) under the gateway's published key. */
export interface ErasureReceipt {
  readonly erasedAt: number
  readonly token: string
}

/** An erasure that is done and whose receipt is not written yet: kept with the removal, so that a crash in between loses no receipt. */
export interface UnsignedErasure {
  readonly number: number
  readonly summary: ErasureSummary
}

export interface ErasureStore {
  /** The planned erasures asked for by messages before `before`, oldest first, at most `limit`. */
  listDue (before: PushVersion, limit: number): Promise<PlannedErasure[]>
  /** Removes the rows, if what is named is still gone, and forgets the plan; `undefined` if nothing had to be removed. */
  erase (planned: PlannedErasure): Promise<ErasureSummary | undefined>
  /** Oldest first. */
  listUnsigned (): Promise<UnsignedErasure[]>
  /** Keeps the receipt in place of what it was written for. */
  keepReceipt (receipt: ErasureReceipt, number: UnsignedErasure['number']): Promise<void>
  /** Newest last. */
  listReceipts (): Promise<ErasureReceipt[]>
}
