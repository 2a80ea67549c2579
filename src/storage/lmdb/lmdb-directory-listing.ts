import type { RootDatabase } from 'lmdb'
import type { DirectoryListing } from '../../directory/directory-listing.ts'
import type { Instance } from '../../directory/instance.ts'
import type { Tenant, TenantId } from '../../directory/model.ts'
import { rangeUnder, type DirectoryRows } from './lmdb-directory-rows.ts'
import { guarded } from './lmdb-environment.ts'
import type { RowKey } from './row-seal.ts'

export function openLmdbDirectoryListing (environment: RootDatabase, rows: DirectoryRows): DirectoryListing {
  const first = (start: RowKey, limit: number) => [...rows.table.getRange({ ...rangeUnder(start), limit })]

  return {
    listTenants: (realm, limit) => guarded(environment, () =>
      first(['tenant', realm], limit).map(({ key, value }) => ({ tenantId: key[2] as TenantId, tenant: value as Tenant }))),

    listInstances: (realm, limit) => guarded(environment, () =>
      first(['instance', realm], limit).map(({ key, value }) => rows.open({ key, stored: value }) as Instance)),
  }
}
