import { rowWriteOf } from '../../copy/row-write-of.ts'
import type { ThingChange, ThingKey } from '../../copy/stored-thing.ts'
import type { InstanceId, Realm, TenantId } from '../../../directory/model.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { fieldOf, revisionKey, stageRow, type DirectoryHashes, type RowCodec, type SlotName } from '../directory/redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

type RowChange = Extract<ThingChange, { kind: 'row' }>

export interface CopyRowsParts {
  readonly connection: RedisConnection
  readonly hashes: DirectoryHashes
  readonly codec: RowCodec
}

/** Rows by the slot that they lie in: one batch each, after the lists that lead there. */
export async function copyRows (parts: CopyRowsParts, changes: readonly RowChange[]): Promise<void> {
  const slots = new Map<string, { where: SlotName, batch: SlotBatch }>()
  const lists = new Map<Realm, SlotBatch>()
  for (const change of changes) {
    const where = slotOf(change.key)
    const { batch } = getOrAdd(slots, JSON.stringify(where), () => ({ where, batch: new SlotBatch() }))
    stageChange(parts, batch, where, change)
    if (change.value !== undefined && 'tenantId' in where) {
      stageLists(parts, getOrAdd(lists, where.realm, () => new SlotBatch()), where, change)
    }
  }
  for (const list of lists.values()) await parts.connection.commit(list)
  await Promise.all([...slots.values()].map(({ where, batch }) => {
    batch.run('INCR', revisionKey(parts.connection.keys, where))
    return parts.connection.commit(batch)
  }))
}

function stageChange ({ hashes, codec }: CopyRowsParts, batch: SlotBatch, where: SlotName, { key, value }: RowChange): void {
  if (value === undefined) {
    batch.run('HDEL', ...placeOf(hashes, key))
    return
  }
  const { realm, tenantId, instanceId, write } = rowWriteOf(key, value)
  stageRow(batch, hashes, codec, where, write)
  // A revision is compared in one process only, and none has seen the one before.
  if (tenantId !== undefined) batch.run('HSETNX', hashes.bindingsToInstances(realm, tenantId), fieldOf(instanceId), 0)
}

function stageLists (
  { hashes }: CopyRowsParts, batch: SlotBatch, { realm, tenantId }: { realm: Realm, tenantId: TenantId }, { key, value }: RowChange,
): void {
  batch.run('SADD', hashes.tenantIds(realm), tenantId)
  batch.run('SADD', hashes.tenantsOf(realm, rowWriteOf(key, value).instanceId), tenantId)
}

function slotOf ([kind, realm, tenantId]: ThingKey): SlotName {
  const market = { realm: realm as Realm }
  return kind === 'instance' || kind === 'order' ? market : { ...market, tenantId: tenantId as TenantId }
}

/** The hash and the field of a row, by its key in the export. */
function placeOf (hashes: DirectoryHashes, [kind = '', realmName, ...ids]: ThingKey): [key: string, field: string] {
  const realm = realmName as Realm
  const [first = '', second = '', third = '', fourth = ''] = ids
  const tenantId = first as TenantId
  switch (kind) {
    case 'tenant': return [hashes.tenants(realm, tenantId), fieldOf(second)]
    case 'binding': return [hashes.bindings(realm, tenantId), fieldOf(second, third)]
    case 'account': return [hashes.accounts(realm, tenantId, fourth as InstanceId), fieldOf(second, third)]
    case 'department': return [hashes.departments(realm, tenantId, second as InstanceId), fieldOf(third)]
    case 'department-list': return [hashes.departmentLists(realm, tenantId), fieldOf(second)]
    case 'instance': return [hashes.instances(realm), fieldOf(first)]
    case 'order': return [hashes.orders(realm), fieldOf(first, second)]
    default: throw new Error(`the directory has no rows of the kind ${kind}`)
  }
}

function getOrAdd<Key, Value> (map: Map<Key, Value>, key: Key, create: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const value = create()
  map.set(key, value)
  return value
}
