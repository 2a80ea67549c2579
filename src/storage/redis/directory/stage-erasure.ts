import type { ErasureScope } from '../../../directory/erasure.ts'
import type { Account, Tenant, TenantId } from '../../../directory/model.ts'
import type { Instance } from '../../../directory/instance.ts'
import type { ChangeFeed } from '../../../session/store-changes.ts'
import type { ErasedCounts, ErasedSubject } from '../../erasure-rules.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { encodeChange } from '../redis-changes.ts'
import type { ErasurePlans } from './redis-erasure-plans.ts'
import { accountField, fieldOf, partsOf, revisionKey, type DirectoryHashes, type RowCodec } from './redis-rows.ts'
import type { SlotBatch } from '../connection/slot-batch.ts'

/** The rows of the directory as an erasure meets them. */
export interface ErasedRows {
  readonly connection: RedisConnection
  readonly hashes: DirectoryHashes
  readonly codec: RowCodec
}

export interface ErasureParts extends ErasedRows {
  readonly plans: ErasurePlans
  readonly changes: ChangeFeed
}

export type TenantScope = Exclude<ErasureScope, { kind: 'instance' }>

const realm = 'production'
export const nothingErased: ErasedCounts = { tenants: 0, bindings: 0, accounts: 0, departments: 0 }

/** The row that the plan stands and falls with. */
export function findSubject (rows: ErasedRows, scope: ErasureScope): Promise<ErasedSubject> {
  const { hashes } = rows
  switch (scope.kind) {
    case 'instance': return find<Instance>(rows, hashes.instances(realm), fieldOf(scope.instanceId))
    case 'tenant': return find<Tenant>(rows, hashes.tenants(realm, scope.tenantId), fieldOf(scope.instanceId))
    case 'account': return find<Account>(rows, hashes.accounts(realm, scope.tenantId, scope.instanceId), accountField(scope.appId, scope.userName))
  }
}

async function find<Row> ({ connection, codec }: ErasedRows, key: string, field: string): Promise<Row | undefined> {
  const sealed = await connection.reads.hgetBuffer(key, field)
  return sealed === null ? undefined : codec.open<Row>(key, field, sealed)
}

/** Adds the removal of what the scope covers in the tenant's slot; the batch must be guarded by the slot's revision, read before. */
export async function stageErasure (batch: SlotBatch, rows: ErasedRows, scope: TenantScope): Promise<ErasedCounts> {
  if (scope.kind === 'tenant') return stageTenant(batch, rows, scope)
  const key = rows.hashes.accounts(realm, scope.tenantId, scope.instanceId)
  batch.run('HDEL', key, accountField(scope.appId, scope.userName))
  return { ...nothingErased, accounts: 1 }
}

async function stageTenant (
  batch: SlotBatch, { connection: { reads }, hashes }: ErasedRows, { tenantId, instanceId }: Omit<TenantScope & { kind: 'tenant' }, 'kind'>,
): Promise<ErasedCounts> {
  const field = fieldOf(instanceId)
  const [accountsKey, departmentsKey] = [hashes.accounts(realm, tenantId, instanceId), hashes.departments(realm, tenantId, instanceId)]
  const [tenantsKey, bindingsKey] = [hashes.tenants(realm, tenantId), hashes.bindings(realm, tenantId)]
  const [accounts, departments, tenants, bindingFields] = await Promise.all([
    reads.hlen(accountsKey), reads.hlen(departmentsKey), reads.hexists(tenantsKey, field), reads.hkeys(bindingsKey),
  ])
  const bindings = bindingFields.filter((binding) => partsOf(binding)[1] === field)
  batch.run('UNLINK', accountsKey)
  batch.run('UNLINK', departmentsKey)
  batch.run('HDEL', hashes.departmentLists(realm, tenantId), field)
  if (bindings.length > 0) batch.run('HDEL', bindingsKey, ...bindings)
  batch.run('HDEL', tenantsKey, field)
  return { tenants, bindings: bindings.length, accounts, departments }
}

export function sumOf (counts: readonly ErasedCounts[]): ErasedCounts {
  return counts.reduce((sum, { tenants, bindings, accounts, departments }) => ({
    tenants: sum.tenants + tenants,
    bindings: sum.bindings + bindings,
    accounts: sum.accounts + accounts,
    departments: sum.departments + departments,
  }), nothingErased)
}

export function isNothing ({ tenants, bindings, accounts, departments }: ErasedCounts): boolean {
  return tenants + bindings + accounts + departments === 0
}

/** Guards the batch by what was pushed until now. To be called before anything is read. */
export async function expectRevision ({ connection: { keys, reads } }: ErasedRows, batch: SlotBatch, tenantId?: TenantId): Promise<void> {
  const key = revisionKey(keys, tenantId === undefined ? { realm } : { realm, tenantId })
  batch.expect(key, await reads.get(key) ?? '')
}

/** Every gateway is to look again. */
export function stageChange ({ connection: { keys } }: ErasedRows, batch: SlotBatch, tenantId: TenantId): void {
  batch.run('INCR', revisionKey(keys, { realm, tenantId }))
  batch.publish(keys.channel, encodeChange({ kind: 'tenant', realm, tenantId }))
}
