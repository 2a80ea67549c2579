import type { Instance } from '../../../directory/instance.ts'
import type { Account, Department, DepartmentList, InstanceId, Tenant } from '../../../directory/model.ts'
import type { InstancePush, PushMessage } from '../../../directory/push-message.ts'
import type { RowReader } from '../../../directory/rows.ts'
import { fieldCommands, fieldsOf, readTogether, type ReadCommand, type Reply, type WantedFields } from '../connection/read-together.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import type { RedisReceipts } from './redis-receipts.ts'
import { accountField, bindingField, fieldOf, orderField, revisionKey, type DirectoryHashes, type RowCodec, type SlotName } from './redis-rows.ts'

export interface PushRowsParts {
  readonly connection: RedisConnection
  readonly hashes: DirectoryHashes
  readonly codec: RowCodec
  readonly receipts: RedisReceipts
}

/** What a push has to know before it can be applied, of one moment of its slot. */
export interface PushRows {
  /** Of the slot, `''` if it has none yet. The commit holds only while it is still this one. */
  readonly revision: string
  /** Of a signature that was taken before. */
  readonly taken: { readonly answer: string | undefined } | undefined
  readonly reader: RowReader
  /** Of a tenant's push: whether the tenant has had rows of the instance, and how many commits had written the instance. */
  readonly isBound: boolean
  readonly instanceRevision: string
  /** Of a push about an instance: the outbox's last number. */
  readonly lastSequence: number
}

type SlotFields = Map<string, Map<string, Buffer | null>>
type TenantsPush = Exclude<PushMessage, { kind: 'instance' }>

export function slotOf (push: PushMessage): SlotName {
  return push.kind === 'instance' ? { realm: push.realm } : { realm: push.realm, tenantId: push.tenantId }
}

export function sequenceKey ({ keys }: Pick<RedisConnection, 'keys'>): string {
  return keys.market('production', 'outbox-sequence')
}

export async function readPushRows (parts: PushRowsParts, push: PushMessage, signatureDigest: string | undefined): Promise<PushRows> {
  return push.kind === 'instance' ? readForInstance(parts, push, signatureDigest) : readForTenant(parts, push, signatureDigest)
}

async function readForTenant (parts: PushRowsParts, push: TenantsPush, signatureDigest: string | undefined): Promise<PushRows> {
  const { connection: { reads }, hashes } = parts
  const { realm, tenantId, instanceId } = push
  const wanted = wantedOfTenant(hashes, push)
  const wantedOfMarket = [{ key: hashes.instances(realm), fields: [fieldOf(instanceId)] }]
  const [[bound, ...replies], [instanceRevision, ...market]] = await Promise.all([
    readTogether(reads, [
      ['HGET', hashes.bindingsToInstances(realm, tenantId), fieldOf(instanceId)],
      ...headCommands(parts, push, signatureDigest),
      ...fieldCommands(wanted),
    ]),
    // Of another slot, so of another moment: a release that comes right now may be missed here. It does no harm, since the release's own
    // plan finds what we write (`tenantsOf` is written ahead) when its time has come, days later.
    readTogether(reads, [['HGET', hashes.instanceRevisions(realm), fieldOf(instanceId)], ...fieldCommands(wantedOfMarket)]),
  ])
  const { head, rest } = readHead(parts, push, signatureDigest, replies)
  const found = new Map([...fieldsOf(wanted, rest), ...fieldsOf(wantedOfMarket, market)])
  const isBound = bound !== null
  return { ...head, reader: readerOf(parts, found), isBound, instanceRevision: String(instanceRevision ?? '0'), lastSequence: 0 }
}

async function readForInstance (parts: PushRowsParts, push: InstancePush, signatureDigest: string | undefined): Promise<PushRows> {
  const { connection, hashes, codec } = parts
  const { realm, change } = push
  const instances = hashes.instances(realm)
  const wanted = [
    { key: instances, fields: namedBy(push).map((instanceId) => fieldOf(instanceId)) },
    { key: hashes.orders(realm), fields: change.kind === 'create' ? [orderField(change.order)] : [] },
  ]
  const sequence = ['GET', realm === 'production' ? sequenceKey(connection) : revisionKey(connection.keys, push)] as const
  const commands = [sequence, ...headCommands(parts, push, signatureDigest), ...fieldCommands(wanted)]
  const [last, ...replies] = await readTogether(connection.reads, commands)
  const { head, rest } = readHead(parts, push, signatureDigest, replies)
  const found = fieldsOf(wanted, rest)
  for (const [field, sealed] of found.get(hashes.orders(realm)) ?? []) {
    const known = sealed === null ? undefined : fieldOf(codec.open<InstanceId>(hashes.orders(realm), field, sealed))
    // Read after the revision: if it has changed since, the revision has too, and the commit won't hold.
    if (known !== undefined && found.get(instances)?.has(known) !== true) {
      found.get(instances)?.set(known, await connection.reads.hgetBuffer(instances, known))
    }
  }
  return { ...head, reader: readerOf(parts, found), isBound: true, instanceRevision: '', lastSequence: Number(last) }
}

/** The instances that applying the push may ask for, but for the one that the order has made. */
function namedBy ({ instanceId, change }: InstancePush): InstanceId[] {
  if (change.kind === 'create') return [instanceId, change.spareInstanceId]
  const wished = change.kind === 'provision' && change.report.kind === 'ready' ? change.report.instanceId : undefined
  return wished === undefined ? [instanceId] : [instanceId, wished]
}

function wantedOfTenant (hashes: DirectoryHashes, push: TenantsPush): WantedFields[] {
  const { realm, tenantId, instanceId } = push
  switch (push.kind) {
    case 'tenant': return [{ key: hashes.tenants(realm, tenantId), fields: [fieldOf(instanceId)] }]
    case 'application': return [{ key: hashes.bindings(realm, tenantId), fields: [bindingField(push.appId, instanceId)] }]
    case 'accounts': {
      const fields = push.accounts.map(({ userName }) => accountField(push.appId, userName))
      return [{ key: hashes.accounts(realm, tenantId, instanceId), fields }]
    }
    case 'departments': return [
      { key: hashes.departments(realm, tenantId, instanceId), fields: push.departments.map(({ code }) => fieldOf(code)) },
      { key: hashes.departmentLists(realm, tenantId), fields: [fieldOf(instanceId)] },
    ]
  }
}

function headCommands (
  { connection: { keys }, receipts }: PushRowsParts, push: PushMessage, signatureDigest: string | undefined,
): ReadCommand[] {
  const where = slotOf(push)
  return [['GET', revisionKey(keys, where)], ...(signatureDigest === undefined ? [] : receipts.commands(where, signatureDigest))]
}

function readHead (
  { receipts }: PushRowsParts, push: PushMessage, signatureDigest: string | undefined, replies: readonly Reply[],
): { readonly head: Pick<PushRows, 'revision' | 'taken'>, readonly rest: readonly Reply[] } {
  const [revision, ...others] = replies
  const head = { revision: revision === null ? '' : String(revision) }
  if (signatureDigest === undefined) return { head: { ...head, taken: undefined }, rest: others }
  const [score, answer, ...rest] = others
  return { head: { ...head, taken: receipts.read(slotOf(push), signatureDigest, score as Buffer | null, answer as Buffer | null) }, rest }
}

function readerOf ({ hashes, codec }: PushRowsParts, found: SlotFields): RowReader {
  const sealedAt = (key: string, field: string): Buffer | null => {
    const sealed = found.get(key)?.get(field)
    if (sealed === undefined) throw new Error('the push asks for a row that was not read for it')
    return sealed
  }
  const find = <Row>(key: string, field: string): Row | undefined => {
    const sealed = sealedAt(key, field)
    return sealed === null ? undefined : codec.open<Row>(key, field, sealed)
  }
  return {
    tenant: (realm, tenantId, instanceId) => find<Tenant>(hashes.tenants(realm, tenantId), fieldOf(instanceId)),
    binding: (realm, tenantId, appId, instanceId) => {
      const [key, field] = [hashes.bindings(realm, tenantId), bindingField(appId, instanceId)]
      const sealed = sealedAt(key, field)
      return sealed === null ? undefined : codec.openBinding(key, field, sealed)
    },
    account: (realm, tenantId, appId, userName, instanceId) =>
      find<Account>(hashes.accounts(realm, tenantId, instanceId), accountField(appId, userName)),
    department: (realm, tenantId, instanceId, code) => find<Department>(hashes.departments(realm, tenantId, instanceId), fieldOf(code)),
    departmentList: (realm, tenantId, instanceId) => find<DepartmentList>(hashes.departmentLists(realm, tenantId), fieldOf(instanceId)),
    instance: (realm, instanceId) => find<Instance>(hashes.instances(realm), fieldOf(instanceId)),
    order: (realm, order) => find<InstanceId>(hashes.orders(realm), orderField(order)),
  }
}
