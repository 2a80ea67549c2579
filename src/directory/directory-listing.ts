import type { Instance } from './instance.ts'
import type { Realm, Tenant, TenantId } from './model.ts'

/** A look at the directory for people who operate the gateway: bounded, by key, tombstones included. No accounts. */
export interface DirectoryListing {
  listTenants (realm: Realm, limit: number): Promise<Array<{ readonly tenantId: TenantId, readonly tenant: Tenant }>>
  listInstances (realm: Realm, limit: number): Promise<Instance[]>
}
