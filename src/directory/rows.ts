import type { PlannedErasure } from './erasure.ts'
import type { Instance, InstanceEvent, OrderKey } from './instance.ts'
import type { Account, AppId, ClientBinding, Department, DepartmentList, InstanceId, Realm, Tenant, TenantId, UserName } from './model.ts'

/**
 * A row to write. Realm and, where the kind has one, tenant are the push's own: no push can name another tenant's row (C-57).
 * `order` leads from a purchase to its instance.
 */
export type RowWrite =
  | { readonly kind: 'tenant', readonly row: Tenant }
  | { readonly kind: 'binding', readonly appId: AppId, readonly row: ClientBinding }
  | { readonly kind: 'account', readonly appId: AppId, readonly row: Account }
  | { readonly kind: 'department', readonly row: Department }
  | { readonly kind: 'department-list', readonly row: DepartmentList }
  | { readonly kind: 'instance', readonly row: Instance }
  /** An instance that got another id before anybody was told the first. */
  | { readonly kind: 'instance-gone', readonly instanceId: InstanceId }
  | { readonly kind: 'order', readonly order: OrderKey, readonly instanceId: InstanceId }
  | { readonly kind: 'erasure', readonly planned: PlannedErasure }

/** The rows as they are now, inside the transaction that will write the new ones. */
export interface RowReader {
  tenant (realm: Realm, tenantId: TenantId, instanceId: InstanceId): Tenant | undefined
  binding (realm: Realm, tenantId: TenantId, appId: AppId, instanceId: InstanceId): ClientBinding | undefined
  account (realm: Realm, tenantId: TenantId, appId: AppId, userName: UserName, instanceId: InstanceId): Account | undefined
  department (realm: Realm, tenantId: TenantId, instanceId: InstanceId, code: string): Department | undefined
  departmentList (realm: Realm, tenantId: TenantId, instanceId: InstanceId): DepartmentList | undefined
  instance (realm: Realm, instanceId: InstanceId): Instance | undefined
  /** Which instance an order made. */
  order (realm: Realm, order: OrderKey): InstanceId | undefined
}

export type PushEffect =
  | {
    readonly kind: 'changed'
    readonly writes: readonly RowWrite[]
    /** For the outbox; none in the test realm and none of a repeat. */
    readonly events: readonly InstanceEvent[]
    /** The row that a push about an instance has left, also where it changed nothing. */
    readonly instance?: Instance
  }
  /** A change to something unknown left out what a new row needs. */
  | { readonly kind: 'incomplete', readonly member: string }
  /** No newInstance has brought this instance. */
  | { readonly kind: 'instance-unknown' }
