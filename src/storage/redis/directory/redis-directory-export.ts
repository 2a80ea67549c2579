import { setImmediate } from 'node:timers/promises'
import type { InstanceId, Realm, TenantId } from '../../../directory/model.ts'
import { canonicalLine, inKeyOrder } from '../../canonical-lines.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { partsOf, type DirectoryHashes, type RowCodec } from './redis-rows.ts'

export interface ExportParts {
  readonly connection: Pick<RedisConnection, 'reads' | 'guarded'>
  readonly hashes: DirectoryHashes
  readonly codec: RowCodec
}

interface SealedRow { readonly key: string[], readonly hash: string, readonly field: string, readonly sealed: Buffer }
/** A hash of rows, and the key that LMDB would give to a row of it. */
interface RowHash { readonly hash: string, readonly keyOf: (field: string) => string[] }

/** Opened between two turns of everybody else. */
const rowsAtOnce = 250

/**
 * The rows of one realm as LMDB's export has them, byte for byte. One tenant's rows of one kind are of one moment, the whole isn't: for
 * an export of one moment nobody may commit meanwhile.
 */
export async function * exportDirectory (parts: ExportParts, realm: Realm): AsyncGenerator<string> {
  const { connection: { reads, guarded }, hashes, codec } = parts
  const tenantIds = await guarded(async () => await reads.smembers(hashes.tenantIds(realm)) as TenantId[])
  // The empty part makes the comparison that of a longer key, as the rows have it.
  const tenants = inKeyOrder(tenantIds, (tenantId) => [tenantId, ''])
  for (const [kind, hashesOf] of Object.entries(kindsOf(parts, realm))) {
    for (const tenantId of kind === 'instance' || kind === 'order' ? [''] : tenants) {
      const rows = await guarded(async () => rowsOf(parts, await hashesOf(tenantId as TenantId)))
      for (const [index, { key, hash, field, sealed }] of inKeyOrder(rows, ({ key }) => key).entries()) {
        if (index % rowsAtOnce === rowsAtOnce - 1) await setImmediate()
        yield canonicalLine(key, kind === 'binding' ? codec.openBinding(hash, field, sealed) : codec.open(hash, field, sealed))
      }
    }
  }
}

/** In the order of the kinds' names. */
function kindsOf (
  { connection: { reads }, hashes }: ExportParts, realm: Realm,
): Record<string, (tenantId: TenantId) => RowHash[] | Promise<RowHash[]>> {
  const instancesOf = async (tenantId: TenantId): Promise<InstanceId[]> =>
    await reads.hkeys(hashes.bindingsToInstances(realm, tenantId)) as InstanceId[]
  return {
    account: async (tenantId) => (await instancesOf(tenantId)).map((instanceId) => ({
      hash: hashes.accounts(realm, tenantId, instanceId),
      keyOf: (field) => ['account', realm, tenantId, ...partsOf(field), instanceId],
    })),
    binding: (tenantId) => [{ hash: hashes.bindings(realm, tenantId), keyOf: (field) => ['binding', realm, tenantId, ...partsOf(field)] }],
    department: async (tenantId) => (await instancesOf(tenantId)).map((instanceId) => ({
      hash: hashes.departments(realm, tenantId, instanceId),
      keyOf: (code) => ['department', realm, tenantId, instanceId, code],
    })),
    'department-list': (tenantId) => [
      { hash: hashes.departmentLists(realm, tenantId), keyOf: (instanceId) => ['department-list', realm, tenantId, instanceId] },
    ],
    instance: () => [{ hash: hashes.instances(realm), keyOf: (instanceId) => ['instance', realm, instanceId] }],
    order: () => [{ hash: hashes.orders(realm), keyOf: (field) => ['order', realm, ...partsOf(field)] }],
    tenant: (tenantId) => [{ hash: hashes.tenants(realm, tenantId), keyOf: (instanceId) => ['tenant', realm, tenantId, instanceId] }],
  }
}

async function rowsOf ({ connection: { reads } }: ExportParts, from: readonly RowHash[]): Promise<SealedRow[]> {
  const found = await Promise.all(from.map(async ({ hash, keyOf }) => Object.entries(await reads.hgetallBuffer(hash))
    .map(([field, sealed]) => ({ key: keyOf(field), hash, field, sealed }))))
  return found.flat()
}
