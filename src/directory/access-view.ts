import type { Instance } from './instance.ts'
import type { Account, AppId, ClientBinding, Tenant, TenantId } from './model.ts'

/** Everything the directory holds about one account's way in; each list has one row per instance, tombstones included. */
export interface AccessView {
  readonly tenantId: TenantId
  readonly appId: AppId
  readonly tenants: readonly Tenant[]
  readonly bindings: readonly ClientBinding[]
  readonly accounts: readonly Account[]
  /** The purchases that the tenants are bound to, as far as a newInstance has told of them. */
  readonly instances: readonly Instance[]
}
