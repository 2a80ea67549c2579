import { faults } from '../../../base/coded-errors.ts'
import type { SealedBox } from '../../../base/sealed-box.ts'
import { Secret } from '../../../base/secret.ts'
import type { OrderKey } from '../../../directory/instance.ts'
import type { AppId, ClientBinding, InstanceId, Realm, TenantId, UserName } from '../../../directory/model.ts'
import type { RowWrite } from '../../../directory/rows.ts'
import { plain, type RedisKeys } from '../connection/redis-keys.ts'
import type { SlotBatch } from '../connection/slot-batch.ts'

/** A slot of the directory: a tenant's, or the market's of a realm. What one push writes lies in one of them. */
export type SlotName = { readonly realm: Realm, readonly tenantId: TenantId } | { readonly realm: Realm }

/** The key of something that lies in a slot. */
export function slotKey (keys: RedisKeys, where: SlotName, ...name: string[]): string {
  return 'tenantId' in where ? keys.tenant(where.realm, where.tenantId, ...name) : keys.market(where.realm, ...name)
}

/** The number of commits that a slot has seen; the guard of each commit. */
export function revisionKey (keys: RedisKeys, where: SlotName): string {
  return slotKey(keys, where, 'revision')
}

/**
 * The hashes and sets of the directory. Only `accounts` and `departments` name an instance: a list of thousands is one variadic command.
 * A field's text is what the comment says; `fieldOf` makes it of the parts.
 */
export interface DirectoryHashes {
  /** instance → `Tenant` */
  tenants (realm: Realm, tenantId: TenantId): string
  /** application, instance → `ClientBinding` */
  bindings (realm: Realm, tenantId: TenantId): string
  /** application, userName → `Account` */
  accounts (realm: Realm, tenantId: TenantId, instanceId: InstanceId): string
  /** code → `Department` */
  departments (realm: Realm, tenantId: TenantId, instanceId: InstanceId): string
  /** instance → `DepartmentList` */
  departmentLists (realm: Realm, tenantId: TenantId): string
  /**
   * instance → revision of the instance when the tenant first had a row of it (in clear). Of all that it has ever had rows of: a
   * tenant's revision rests on it, so nothing is ever removed, not even by an erasure.
   */
  bindingsToInstances (realm: Realm, tenantId: TenantId): string
  /** instance → `Instance` */
  instances (realm: Realm): string
  /** order, line → id of the instance */
  orders (realm: Realm): string
  /** instance → the number of commits that wrote it (in clear) */
  instanceRevisions (realm: Realm): string
  /** Set: tenants that may have rows. Written ahead of the tenant's commit; nothing is ever removed. */
  tenantIds (realm: Realm): string
  /** Set: tenants that may have rows of an instance. Written ahead of the tenant's commit; nothing is ever removed. */
  tenantsOf (realm: Realm, instanceId: InstanceId): string
}

export function createDirectoryHashes (keys: RedisKeys): DirectoryHashes {
  return {
    tenants: (realm, tenantId) => keys.tenant(realm, tenantId, 'tenants'),
    bindings: (realm, tenantId) => keys.tenant(realm, tenantId, 'bindings'),
    accounts: lastKnown((realm, tenantId, instanceId) => keys.tenant(realm, tenantId, 'accounts', plain(instanceId))),
    departments: lastKnown((realm, tenantId, instanceId) => keys.tenant(realm, tenantId, 'departments', plain(instanceId))),
    departmentLists: (realm, tenantId) => keys.tenant(realm, tenantId, 'department-lists'),
    bindingsToInstances: (realm, tenantId) => keys.tenant(realm, tenantId, 'instances'),
    instances: (realm) => keys.market(realm, 'instances'),
    orders: (realm) => keys.market(realm, 'orders'),
    instanceRevisions: (realm) => keys.market(realm, 'instance-revisions'),
    tenantIds: (realm) => keys.market(realm, 'tenants'),
    tenantsOf: (realm, instanceId) => keys.market(realm, 'bound', plain(instanceId)),
  }
}

type KeyOfInstance = DirectoryHashes['accounts']

/** Of a list of thousands each row asks for the same key. */
function lastKnown (keyOf: KeyOfInstance): KeyOfInstance {
  let last: { readonly of: Parameters<KeyOfInstance>, readonly key: string } | undefined
  return (...of) => {
    if (last === undefined || last.of.some((part, index) => part !== of[index])) last = { of, key: keyOf(...of) }
    return last.key
  }
}

const loneSurrogate = /\p{Surrogate}/gu
/** LMDB keeps no longer key, so a longer one could never be copied there; it is no name anyway. */
const maximumFieldBytes = 1_900

/** One part is the field itself, several are a JSON list; half a surrogate pair becomes what UTF-8 makes of it, as in LMDB. */
export function fieldOf (...parts: readonly [string, ...string[]]): string {
  const wellFormed = parts.map((part) => part.replace(loneSurrogate, '\ufffd'))
  return wellFormed.length === 1 ? wellFormed[0] ?? '' : JSON.stringify(wellFormed)
}

/** The parts that `fieldOf` was given, of a field that it made of several. */
export function partsOf (field: string): string[] {
  return JSON.parse(field) as string[]
}

export const bindingField = (appId: AppId, instanceId: InstanceId): string => fieldOf(appId, instanceId)
export const accountField = (appId: AppId, userName: UserName): string => fieldOf(appId, userName)
export const orderField = ({ orderId, orderLineId }: OrderKey): string => fieldOf(orderId, orderLineId)

/** Rows as they are stored: sealed JSON that opens only in the key and field that it was sealed for. */
export interface RowCodec {
  /** @throws `GW_STORAGE_UNAVAILABLE` for a field that is too long to be one */
  seal (key: string, field: string, row: unknown): Buffer
  /** @throws `GW_STORAGE_CORRUPT` if no key of the box opens it here */
  open<Row> (key: string, field: string, sealed: Buffer): Row
  sealBinding (key: string, field: string, row: ClientBinding): Buffer
  openBinding (key: string, field: string, sealed: Buffer): ClientBinding
}

type StoredBinding = Omit<ClientBinding, 'clientSecret'> & { clientSecret?: string }

export function createRowCodec (box: SealedBox): RowCodec {
  const seal: RowCodec['seal'] = (key, field, row) => {
    if (Buffer.byteLength(field) > maximumFieldBytes) throw new faults.StorageUnavailable({ cause: new Error('an id is too long') })
    return box.seal(JSON.stringify(row), contextOf(key, field))
  }
  const open = <Row>(key: string, field: string, sealed: Buffer): Row => {
    const opened = box.open(sealed, contextOf(key, field))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return JSON.parse(opened.toString()) as Row
  }
  return {
    seal,
    open,
    sealBinding: (key, field, { clientSecret, ...row }) => seal(key, field, { ...row, clientSecret: clientSecret?.reveal() }),
    openBinding (key, field, sealed) {
      const { clientSecret, ...row } = open<StoredBinding>(key, field, sealed)
      return { ...row, clientSecret: clientSecret === undefined ? undefined : new Secret(clientSecret) }
    },
  }
}

/** A key has no line break, so that no other pair of key and field has the same context. */
function contextOf (key: string, field: string): string {
  return `${key}\n${field}`
}

/** A row of the directory; what else a push writes (a plan to erase) is not in these hashes. */
export type DirectoryWrite = Exclude<RowWrite, { kind: 'erasure' }>

/** @param where the push's own slot: no push can name another tenant's row (C-57) */
export function stageRow (batch: SlotBatch, hashes: DirectoryHashes, codec: RowCodec, where: SlotName, write: DirectoryWrite): void {
  const { realm } = where
  const tenantId = 'tenantId' in where ? where.tenantId : '' as TenantId
  const put = (key: string, field: string, row: unknown): void => { batch.put(key, field, codec.seal(key, field, row)) }
  switch (write.kind) {
    case 'tenant': put(hashes.tenants(realm, tenantId), fieldOf(write.row.instanceId), write.row); break
    case 'binding': {
      const [key, field] = [hashes.bindings(realm, tenantId), bindingField(write.appId, write.row.instanceId)]
      batch.put(key, field, codec.sealBinding(key, field, write.row))
      break
    }
    case 'account': put(hashes.accounts(realm, tenantId, write.row.instanceId), accountField(write.appId, write.row.userName), write.row); break
    case 'department': put(hashes.departments(realm, tenantId, write.row.instanceId), fieldOf(write.row.code), write.row); break
    case 'department-list': put(hashes.departmentLists(realm, tenantId), fieldOf(write.row.instanceId), write.row); break
    case 'instance': put(hashes.instances(realm), fieldOf(write.row.instanceId), write.row); break
    case 'instance-gone': batch.run('HDEL', hashes.instances(realm), fieldOf(write.instanceId)); break
    case 'order': put(hashes.orders(realm), orderField(write.order), write.instanceId); break
  }
}
