import { isDeepStrictEqual } from 'node:util'
import * as lmdb from 'lmdb'
import { Secret } from '../../src/base/secret.ts'
import type { AccessView } from '../../src/directory/access-view.ts'
import { applyPush } from '../../src/directory/apply-push.ts'
import type { CommitOutcome, DirectoryStore, PushReceipt } from '../../src/directory/directory-store.ts'
import type { PlannedErasure } from '../../src/directory/erasure.ts'
import type { Instance, InstanceEvent, OrderKey } from '../../src/directory/instance.ts'
import type {
  Account, AppId, ClientBinding, Department, DepartmentList, InstanceId, Realm, Tenant, TenantId, UserName,
} from '../../src/directory/model.ts'
import type { PushRecord } from '../../src/directory/push-log.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import type { RowReader, RowWrite } from '../../src/directory/rows.ts'

/** LMDB's order of keys is that of their bytes (`compareKeys` has another one for characters beyond U+FFFF). */
const { keyValueToBuffer } = lmdb as unknown as { keyValueToBuffer: (key: string[]) => Buffer }

const keyOf = (...parts: string[]): string => JSON.stringify(parts)

/** The directory in maps: the same rules (`applyPush`), nothing durable. */
export class MemoryDirectory implements DirectoryStore, RowReader {
  readonly tenants = new Map<string, Tenant>()
  readonly bindings = new Map<string, ClientBinding>()
  readonly accounts = new Map<string, Account>()
  readonly departments = new Map<string, Department>()
  readonly departmentLists = new Map<string, DepartmentList>()
  readonly instances = new Map<string, Instance>()
  /** The instance of an order. */
  readonly orders = new Map<string, InstanceId>()
  readonly receipts = new Map<string, number>()
  readonly answers = new Map<string, string>()
  /** What every commit that had an effect was given, in order. */
  readonly committed: PushMessage[] = []
  /** What those commits left to the outbox, to the push log and to the erasure. */
  readonly events: InstanceEvent[] = []
  readonly records: PushRecord[] = []
  readonly erasures: PlannedErasure[] = []
  /** Set to make the next commits fail. */
  fault: Error | undefined
  readonly #revisions = new Map<string, number>()
  /** Which tenants have had rows of an instance. */
  readonly #bound = new Map<string, TenantId>()

  async commit (push: PushMessage, receipt?: PushReceipt): Promise<CommitOutcome> {
    if (this.fault !== undefined) throw this.fault
    if (receipt !== undefined && this.receipts.has(receipt.signatureDigest)) {
      const answer = this.answers.get(receipt.signatureDigest)
      return { kind: 'repeated', ...(answer !== undefined && { answer }) }
    }
    const effect = applyPush(push, this)
    if (effect.kind !== 'changed') return effect
    const touched = new Set(push.kind === 'instance' ? [] : [push.tenantId])
    for (const write of effect.writes) {
      this.#write(push, write)
      const instanceId = write.kind === 'instance' ? write.row.instanceId : write.kind === 'instance-gone' ? write.instanceId : undefined
      if (instanceId !== undefined) for (const tenantId of this.#tenantsOf(push.realm, instanceId)) touched.add(tenantId)
    }
    if (push.kind !== 'instance') this.#bound.set(keyOf(push.realm, push.instanceId, push.tenantId), push.tenantId)
    for (const tenantId of touched) this.#revisions.set(keyOf(push.realm, tenantId), this.revisionOf(push.realm, tenantId) + 1)
    if (receipt !== undefined) this.#keep(receipt)
    this.events.push(...effect.events)
    this.committed.push(push)
    return { kind: 'committed', ...(effect.instance && { instance: effect.instance }) }
  }

  #keep ({ signatureDigest, expiresAt, answer, record }: PushReceipt): void {
    this.receipts.set(signatureDigest, expiresAt)
    if (answer !== undefined) this.answers.set(signatureDigest, answer)
    if (record !== undefined) this.records.push(record)
  }

  #write (push: PushMessage, write: RowWrite): void {
    const { realm } = push
    const tenantId = push.kind === 'instance' ? '' : push.tenantId
    switch (write.kind) {
      case 'tenant': this.tenants.set(keyOf(realm, tenantId, write.row.instanceId), write.row); break
      case 'binding': this.bindings.set(keyOf(realm, tenantId, write.appId, write.row.instanceId), write.row); break
      case 'account': this.accounts.set(keyOf(realm, tenantId, write.appId, write.row.userName, write.row.instanceId), write.row); break
      case 'department': this.departments.set(keyOf(realm, tenantId, write.row.instanceId, write.row.code), write.row); break
      case 'department-list': this.departmentLists.set(keyOf(realm, tenantId, write.row.instanceId), write.row); break
      case 'instance': this.instances.set(keyOf(realm, write.row.instanceId), write.row); break
      case 'instance-gone': this.instances.delete(keyOf(realm, write.instanceId)); break
      case 'order': this.orders.set(keyOf(realm, write.order.orderId, write.order.orderLineId), write.instanceId); break
      case 'erasure': if (!this.erasures.some((known) => isDeepStrictEqual(known, write.planned))) this.erasures.push(write.planned)
    }
  }

  tenant (...key: Parameters<RowReader['tenant']>): Tenant | undefined {
    return this.tenants.get(keyOf(...key))
  }

  binding (...key: Parameters<RowReader['binding']>): ClientBinding | undefined {
    return this.bindings.get(keyOf(...key))
  }

  account (...key: Parameters<RowReader['account']>): Account | undefined {
    return this.accounts.get(keyOf(...key))
  }

  department (...key: Parameters<RowReader['department']>): Department | undefined {
    return this.departments.get(keyOf(...key))
  }

  departmentList (...key: Parameters<RowReader['departmentList']>): DepartmentList | undefined {
    return this.departmentLists.get(keyOf(...key))
  }

  instance (...key: Parameters<RowReader['instance']>): Instance | undefined {
    return this.instances.get(keyOf(...key))
  }

  order (realm: Realm, { orderId, orderLineId }: OrderKey): InstanceId | undefined {
    return this.orders.get(keyOf(realm, orderId, orderLineId))
  }

  async keepAnswer (signatureDigest: string, _expiresAt: number, answer: string): Promise<void> {
    if (this.fault !== undefined) throw this.fault
    this.answers.set(signatureDigest, answer)
  }

  async findAnswer (signatureDigest: string): Promise<string | undefined> {
    return this.answers.get(signatureDigest)
  }

  async findInstances (realm: Realm, instanceIds: readonly InstanceId[]): Promise<Instance[]> {
    return [...new Set(instanceIds)].map((instanceId) => this.instance(realm, instanceId)).filter((instance) => instance !== undefined)
  }

  async findInstanceOfOrder (realm: Realm, order: OrderKey): Promise<Instance | undefined> {
    const instanceId = this.order(realm, order)
    return instanceId === undefined ? undefined : this.instance(realm, instanceId)
  }

  async listDepartments (realm: Realm, tenantId: TenantId, instanceId: InstanceId): Promise<Department[]> {
    const newest = this.departmentList(realm, tenantId, instanceId)?.version ?? ''
    return rowsUnder(this.departments, [realm, tenantId, instanceId]).filter(({ isDeleted, version }) => !isDeleted && version >= newest)
  }

  async * export (realm: Realm): AsyncGenerator<string> {
    const maps: Record<string, ReadonlyMap<string, unknown>> = {
      account: this.accounts,
      binding: this.bindings,
      department: this.departments,
      'department-list': this.departmentLists,
      instance: this.instances,
      order: this.orders,
      tenant: this.tenants,
    }
    const rows = Object.entries(maps).flatMap(([kind, map]) =>
      [...map].map(([key, row]) => ({ key: [kind, ...JSON.parse(key) as string[]], row })))
    const ofRealm = rows.filter(({ key }) => key[1] === realm).sort((a, b) => keyValueToBuffer(a.key).compare(keyValueToBuffer(b.key)))
    for (const { key, row } of ofRealm) yield JSON.stringify({ key, row: revealed(row) }, byName)
  }

  async viewAccess (realm: Realm, tenantId: TenantId, appId: AppId, userName: UserName): Promise<AccessView> {
    return { ...await this.viewTenant(realm, tenantId, appId), accounts: rowsUnder(this.accounts, [realm, tenantId, appId, userName]) }
  }

  async viewTenant (realm: Realm, tenantId: TenantId, appId: AppId): Promise<AccessView> {
    const tenants = rowsUnder(this.tenants, [realm, tenantId])
    return {
      tenantId,
      appId,
      tenants,
      bindings: rowsUnder(this.bindings, [realm, tenantId, appId]),
      accounts: [],
      instances: await this.findInstances(realm, tenants.map(({ instanceId }) => instanceId)),
    }
  }

  revisionOf (realm: Realm, tenantId: TenantId): number {
    return this.#revisions.get(keyOf(realm, tenantId)) ?? 0
  }

  async sweep (now: number): Promise<number> {
    const expired = [...this.receipts].filter(([, expiresAt]) => expiresAt < now)
    for (const [digest] of expired) {
      this.receipts.delete(digest)
      this.answers.delete(digest)
    }
    return expired.length
  }

  #tenantsOf (realm: Realm, instanceId: InstanceId): TenantId[] {
    return rowsUnder(this.#bound, [realm, instanceId])
  }
}

/** The rows whose key starts with these parts: one per instance. */
function rowsUnder<Row> (rows: ReadonlyMap<string, Row>, parts: readonly string[]): Row[] {
  return [...rows].filter(([key]) => parts.every((part, index) => (JSON.parse(key) as string[])[index] === part)).map(([, row]) => row)
}

function revealed (row: unknown): unknown {
  if (typeof row !== 'object' || row === null || !('clientSecret' in row)) return row
  return { ...row, clientSecret: row.clientSecret instanceof Secret ? row.clientSecret.reveal() : undefined }
}

/** `JSON.stringify` asks it for every member: an object answers with its members in order. */
function byName (_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
