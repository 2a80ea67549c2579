import type { Clock } from '../../../base/clock.ts'
import type { AccessView } from '../../../directory/access-view.ts'
import type { DirectoryStore } from '../../../directory/directory-store.ts'
import type { Instance } from '../../../directory/instance.ts'
import type { Account, AppId, Department, DepartmentList, InstanceId, Realm, Tenant, TenantId } from '../../../directory/model.ts'
import { inKeyOrder } from '../../canonical-lines.ts'
import type { RedisChanges } from '../redis-changes.ts'
import { createRedisCommit, type CommitParts } from './redis-commit.ts'
import { exportDirectory } from './redis-directory-export.ts'
import { createRedisRevisions } from './redis-revisions.ts'
import { accountField, fieldOf, orderField, partsOf } from './redis-rows.ts'

export interface DirectoryStoreParts extends CommitParts {
  readonly clock: Clock
  readonly changes: RedisChanges
}

/** The directory in Redis. */
export function openRedisDirectoryStore (parts: DirectoryStoreParts): DirectoryStore {
  const { connection, hashes, codec, receipts, changes, clock } = parts
  const { reads } = connection

  const instancesOf = async (realm: Realm, instanceIds: readonly InstanceId[]): Promise<Instance[]> => {
    const key = hashes.instances(realm)
    const fields = [...new Set(instanceIds.map((instanceId) => fieldOf(instanceId)))]
    const found = fields.length === 0 ? [] : await reads.hmgetBuffer(key, ...fields)
    return fields.flatMap((field, index) => {
      const sealed = found[index] ?? null
      return sealed === null ? [] : [codec.open<Instance>(key, field, sealed)]
    })
  }

  const tenantsOf = async (realm: Realm, tenantId: TenantId): Promise<Tenant[]> => {
    const key = hashes.tenants(realm, tenantId)
    const rows = Object.entries(await reads.hgetallBuffer(key)).map(([field, sealed]) => codec.open<Tenant>(key, field, sealed))
    return byInstance(rows)
  }

  const bindingsOf = async (realm: Realm, tenantId: TenantId, appId: AppId): Promise<AccessView['bindings']> => {
    const key = hashes.bindings(realm, tenantId)
    const ofApp = Object.entries(await reads.hgetallBuffer(key)).filter(([field]) => partsOf(field)[0] === fieldOf(appId))
    return byInstance(ofApp.map(([field, sealed]) => codec.openBinding(key, field, sealed)))
  }

  const accountsOf: (...of: Parameters<DirectoryStore['viewAccess']>) => Promise<Account[]> = async (realm, tenantId, appId, userName) => {
    const field = accountField(appId, userName)
    const instances = await reads.hkeys(hashes.bindingsToInstances(realm, tenantId))
    const rows = await Promise.all(instances.map(async (instanceId) => {
      const key = hashes.accounts(realm, tenantId, instanceId as InstanceId)
      const sealed = await reads.hgetBuffer(key, field)
      return sealed === null ? [] : [codec.open<Account>(key, field, sealed)]
    }))
    return byInstance(rows.flat())
  }

  const view = async (realm: Realm, tenantId: TenantId, appId: AppId): Promise<AccessView> => {
    const [tenants, bindings] = await Promise.all([tenantsOf(realm, tenantId), bindingsOf(realm, tenantId, appId)])
    const instances = await instancesOf(realm, tenants.map(({ instanceId }) => instanceId))
    return { tenantId, appId, tenants, bindings, accounts: [], instances }
  }

  return {
    commit: createRedisCommit(parts),
    keepAnswer: (signatureDigest, expiresAt, answer) => receipts.keepAnswer(signatureDigest, expiresAt, answer),
    findAnswer: (signatureDigest) => receipts.findAnswer(signatureDigest),
    findInstances: (realm, instanceIds) => connection.guarded(() => instancesOf(realm, instanceIds)),

    findInstanceOfOrder: (realm, order) => connection.guarded(async () => {
      const [key, field] = [hashes.orders(realm), orderField(order)]
      const sealed = await reads.hgetBuffer(key, field)
      return sealed === null ? undefined : (await instancesOf(realm, [codec.open<InstanceId>(key, field, sealed)]))[0]
    }),

    listDepartments: (realm, tenantId, instanceId) => connection.guarded(async () => {
      const [key, field] = [hashes.departments(realm, tenantId, instanceId), fieldOf(instanceId)]
      const lists = hashes.departmentLists(realm, tenantId)
      const [departments, list] = await Promise.all([reads.hgetallBuffer(key), reads.hgetBuffer(lists, field)])
      const newest = list === null ? '' : codec.open<DepartmentList>(lists, field, list).version
      return inKeyOrder(Object.entries(departments), ([code]) => [code])
        .map(([code, sealed]) => codec.open<Department>(key, code, sealed))
        .filter(({ isDeleted, version }) => !isDeleted && version >= newest)
    }),

    export: (realm) => exportDirectory(parts, realm),
    viewTenant: (realm, tenantId, appId) => connection.guarded(() => view(realm, tenantId, appId)),

    viewAccess: (realm, tenantId, appId, userName) => connection.guarded(async () => {
      const [seen, accounts] = await Promise.all([view(realm, tenantId, appId), accountsOf(realm, tenantId, appId, userName)])
      return { ...seen, accounts }
    }),

    revisionOf: createRedisRevisions(connection, hashes, changes, clock),
    sweep: (now) => receipts.sweep(now),
  }
}

/** As LMDB has them: Redis keeps no order. */
function byInstance<Row extends { readonly instanceId: InstanceId }> (rows: Row[]): Row[] {
  return rows.length < 2 ? rows : inKeyOrder(rows, ({ instanceId }) => [instanceId])
}
