import type { Database, RootDatabase } from 'lmdb'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { Instance } from '../../directory/instance.ts'
import type { Account, ClientBinding, Department, DepartmentList, InstanceId, Realm, Tenant, TenantId } from '../../directory/model.ts'
import type { RowReader } from '../../directory/rows.ts'
import type { PreparedBatch } from './prepared-batch.ts'
import { createRowSeal, type DirectoryWrite, type RowKey, type StoredRow } from './row-seal.ts'

export interface DirectoryRows {
  readonly table: Database<unknown, RowKey>
  readonly reader: RowReader
  /** @param tenantId `''` for a push about an instance, which writes no row of a tenant */
  stage (batch: PreparedBatch, realm: Realm, tenantId: TenantId | '', write: DirectoryWrite): void
  /** The row with its seals opened. @throws `GW_STORAGE_CORRUPT` if no key opens them */
  open (row: StoredRow): unknown
  /** The rows whose key is `start` and one part more. */
  under<Row> (start: RowKey): Row[]
  /** The tenants that have ever had rows of an instance. */
  tenantsOf (realm: Realm, instanceId: InstanceId): TenantId[]
  /** Remembers that a tenant has rows of an instance. */
  stageBound (batch: PreparedBatch, realm: Realm, tenantId: TenantId, instanceId: InstanceId): void
  stageUnbound (batch: PreparedBatch, realm: Realm, tenantId: TenantId, instanceId: InstanceId): void
}

/** Sorts behind every text, so that a range over a key's beginning ends with its last row. */
const afterAll = Buffer.of(0xff)

/** The keys that start with these parts and are longer. */
export function rangeUnder (start: RowKey): { start: RowKey, end: RowKey } {
  return { start, end: [...start, afterAll] as unknown as RowKey }
}

export function openDirectoryRows (environment: RootDatabase, box: SealedBox): DirectoryRows {
  const table: Database<unknown, RowKey> = environment.openDB('directory', { encoding: 'msgpack' })
  const bound: Database<true, RowKey> = environment.openDB('directory-bound-tenants', { encoding: 'msgpack' })
  const rowSeal = createRowSeal(box)

  const find = <Row>(...key: RowKey): Row | undefined => {
    const stored = table.get(key)
    return stored === undefined ? undefined : rowSeal.open({ key, stored }) as Row
  }

  const reader: RowReader = {
    tenant: (...key) => find<Tenant>('tenant', ...key),
    binding: (...key) => find<ClientBinding>('binding', ...key),
    account: (...key) => find<Account>('account', ...key),
    department: (...key) => find<Department>('department', ...key),
    departmentList: (...key) => find<DepartmentList>('department-list', ...key),
    instance: (...key) => find<Instance>('instance', ...key),
    order: (realm, { orderId, orderLineId }) => find<InstanceId>('order', realm, orderId, orderLineId),
  }

  return {
    table,
    reader,
    open: rowSeal.open,

    stage (batch, realm, tenantId, write) {
      const key = keyOf(realm, tenantId, write)
      if (write.kind === 'instance-gone') batch.remove(table, key)
      else batch.put(table, key, write.kind === 'order' ? write.instanceId : rowSeal.seal(key, write))
    },

    under: <Row>(start: RowKey) => [...table.getRange(rangeUnder(start))]
      .filter(({ key }) => key.length === start.length + 1)
      .map(({ key, value }) => rowSeal.open({ key, stored: value }) as Row),

    tenantsOf: (realm, instanceId) => [...bound.getKeys(rangeUnder([realm, instanceId]))]
      .filter((key) => key.length === 3)
      .map(([, , tenantId]) => tenantId as TenantId),

    stageBound (batch, realm, tenantId, instanceId) {
      const key = [realm, instanceId, tenantId]
      if (!bound.doesExist(key)) batch.put(bound, key, true)
    },

    stageUnbound (batch, realm, tenantId, instanceId) {
      batch.remove(bound, [realm, instanceId, tenantId])
    },
  }
}

export function keyOf (realm: Realm, tenantId: TenantId | '', write: DirectoryWrite): RowKey {
  switch (write.kind) {
    case 'tenant': return ['tenant', realm, tenantId, write.row.instanceId]
    case 'binding': return ['binding', realm, tenantId, write.appId, write.row.instanceId]
    case 'account': return ['account', realm, tenantId, write.appId, write.row.userName, write.row.instanceId]
    case 'department': return ['department', realm, tenantId, write.row.instanceId, write.row.code]
    case 'department-list': return ['department-list', realm, tenantId, write.row.instanceId]
    case 'instance': return ['instance', realm, write.row.instanceId]
    case 'instance-gone': return ['instance', realm, write.instanceId]
    case 'order': return ['order', realm, write.order.orderId, write.order.orderLineId]
  }
}
