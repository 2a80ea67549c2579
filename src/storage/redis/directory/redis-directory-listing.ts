import type { DirectoryListing } from '../../../directory/directory-listing.ts'
import type { Instance } from '../../../directory/instance.ts'
import type { Tenant, TenantId } from '../../../directory/model.ts'
import { inKeyOrder } from '../../canonical-lines.ts'
import type { ExportParts } from './redis-directory-export.ts'

type Listed = Awaited<ReturnType<DirectoryListing['listTenants']>>

export function openRedisDirectoryListing ({ connection: { reads, guarded }, hashes, codec }: ExportParts): DirectoryListing {
  const rowsOf = async (hash: string, tenantId: TenantId): Promise<Listed> =>
    inKeyOrder(Object.entries(await reads.hgetallBuffer(hash)), ([instanceId]) => [instanceId])
      .map(([field, sealed]) => ({ tenantId, tenant: codec.open<Tenant>(hash, field, sealed) }))

  return {
    listTenants: (realm, limit) => guarded(async () => {
      const tenantIds = inKeyOrder(await reads.smembers(hashes.tenantIds(realm)) as TenantId[], (tenantId) => [tenantId, ''])
      const listed: Listed = []
      // Not each of them has a row, and some have several.
      for (let at = 0; at < tenantIds.length && listed.length < limit; at += limit) {
        const some = tenantIds.slice(at, at + limit)
        listed.push(...(await Promise.all(some.map((tenantId) => rowsOf(hashes.tenants(realm, tenantId), tenantId)))).flat())
      }
      return listed.slice(0, limit)
    }),

    listInstances: (realm, limit) => guarded(async () => {
      const hash = hashes.instances(realm)
      const fields = inKeyOrder(await reads.hkeys(hash), (instanceId) => [instanceId]).slice(0, limit)
      const rows = fields.length === 0 ? [] : await reads.hmgetBuffer(hash, ...fields)
      return fields.flatMap((field, index) => {
        const sealed = rows[index] ?? null
        return sealed === null ? [] : [codec.open<Instance>(hash, field, sealed)]
      })
    }),
  }
}
