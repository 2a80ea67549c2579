import { setImmediate } from 'node:timers/promises'
import type { PlannedErasure } from '../../directory/erasure.ts'
import type { Instance } from '../../directory/instance.ts'
import type { InstanceId, TenantId } from '../../directory/model.ts'
import { isStillGone, redact, type ErasedCounts, type ErasedSubject } from '../erasure-rules.ts'
import { rangeUnder, type DirectoryRows } from './lmdb-directory-rows.ts'
import type { RowKey } from './row-seal.ts'

export interface CollectedErasure {
  /** Of each tenant its own row last. */
  readonly keys: readonly RowKey[]
  /** The instance without its personal parts: its release must go on to be answered. */
  readonly redacted: Instance | undefined
  readonly tenants: readonly TenantId[]
  readonly counts: ErasedCounts
}

const realm = 'production'
const rowsAtOnce = 250
const nothing: CollectedErasure = collected([], [])

/** By kind: the length of its keys and where they name the instance. The tenant goes last: while it is there, an erasure can begin anew. */
const kindsOfTenant = [['account', 6, 5], ['department', 5, 3], ['department-list', 4, 3], ['binding', 5, 4], ['tenant', 4, 3]] as const

/** What must go; nothing if what the plan names is alive again. Reads in slices: the caller keeps commits away meanwhile. */
export async function collectErasure (rows: DirectoryRows, planned: PlannedErasure): Promise<CollectedErasure> {
  const { scope } = planned
  if (!isStillGone(planned, subjectOf(rows, planned))) return nothing
  if (scope.kind === 'account') {
    const { tenantId, appId, userName, instanceId } = scope
    return collected([['account', realm, tenantId, appId, userName, instanceId]], [tenantId])
  }
  const tenants = scope.kind === 'tenant' ? [scope.tenantId] : rows.tenantsOf(realm, scope.instanceId)
  const keys: RowKey[] = []
  for (const tenantId of tenants) keys.push(...await keysOf(rows, tenantId, scope.instanceId))
  return collected(keys, tenants, scope.kind === 'instance' ? redact(rows.reader.instance(realm, scope.instanceId)) : undefined)
}

function subjectOf ({ reader }: DirectoryRows, { scope }: PlannedErasure): ErasedSubject {
  switch (scope.kind) {
    case 'instance': return reader.instance(realm, scope.instanceId)
    case 'tenant': return reader.tenant(realm, scope.tenantId, scope.instanceId)
    case 'account': return reader.account(realm, scope.tenantId, scope.appId, scope.userName, scope.instanceId)
  }
}

async function keysOf (rows: DirectoryRows, tenantId: TenantId, instanceId: InstanceId): Promise<RowKey[]> {
  const keys: RowKey[] = []
  for (const [kind, length, at] of kindsOfTenant) {
    const { start, end } = rangeUnder([kind, realm, tenantId])
    for (let from: RowKey | undefined = start; from !== undefined;) {
      const some: RowKey[] = [...rows.table.getKeys({ start: from, end, limit: rowsAtOnce, exclusiveStart: from !== start })]
      keys.push(...some.filter((key) => key.length === length && key[at] === instanceId))
      from = some.length === rowsAtOnce ? some.at(-1) : undefined
      if (from !== undefined) await setImmediate()
    }
  }
  return keys
}

function collected (keys: RowKey[], tenants: readonly TenantId[], redacted?: Instance): CollectedErasure {
  const countOf = (kind: string): number => keys.filter(([first]) => first === kind).length
  const counts = { tenants: countOf('tenant'), bindings: countOf('binding'), accounts: countOf('account'), departments: countOf('department') }
  return { keys, redacted, tenants, counts }
}
