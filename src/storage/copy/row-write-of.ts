import { Secret } from '../../base/secret.ts'
import type { Instance } from '../../directory/instance.ts'
import type { Account, AppId, ClientBinding, Department, DepartmentList, InstanceId, Realm, Tenant, TenantId } from '../../directory/model.ts'
import type { RowWrite } from '../../directory/rows.ts'
import type { ThingKey } from './stored-thing.ts'

type RestoredWrite = Exclude<RowWrite, { kind: 'erasure' | 'instance-gone' }>

export interface RestoredRow {
  readonly realm: Realm
  /** `undefined` for what belongs to no tenant. */
  readonly tenantId: TenantId | undefined
  readonly instanceId: InstanceId
  readonly write: RestoredWrite
}

/** The row that a line of the directory's export tells of. */
export function rowWriteOf ([kind = '', realm, ...ids]: ThingKey, row: unknown): RestoredRow {
  const write = writeOf(kind, ids, row)
  const isOfTenant = kind !== 'instance' && kind !== 'order'
  return {
    realm: realm as Realm,
    tenantId: isOfTenant ? ids[0] as TenantId : undefined,
    instanceId: write.kind === 'order' ? write.instanceId : write.row.instanceId,
    write,
  }
}

function writeOf (kind: string, ids: readonly string[], row: unknown): RestoredWrite {
  switch (kind) {
    case 'tenant': return { kind, row: row as Tenant }
    case 'binding': {
      const { clientSecret: text, ...rest } = row as Omit<ClientBinding, 'clientSecret'> & { clientSecret?: string }
      const clientSecret = text === undefined ? undefined : new Secret(text)
      return { kind, appId: ids[1] as AppId, row: { ...rest, clientSecret } }
    }
    case 'account': return { kind, appId: ids[1] as AppId, row: row as Account }
    case 'department': return { kind, row: row as Department }
    case 'department-list': return { kind, row: row as DepartmentList }
    case 'instance': return { kind, row: row as Instance }
    case 'order': return { kind, order: { orderId: ids[0] ?? '', orderLineId: ids[1] ?? '' }, instanceId: row as InstanceId }
    default: throw new Error(`the directory has no rows of the kind ${kind}`)
  }
}
