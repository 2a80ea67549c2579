import type { ErasureScope, PlannedErasure } from '../../../directory/erasure.ts'
import type { PushVersion, TenantId } from '../../../directory/model.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { slotKey, type SlotName } from './redis-rows.ts'
import type { SlotBatch } from '../connection/slot-batch.ts'

/**
 * What waits to be erased, in the slot of the push that asked for it, so that it is kept with that push. All of it is production's.
 * Which tenants have plans, a list of the market tells (`stageTenant`): it is written ahead of the tenant's commit and only grows.
 */
export interface ErasurePlans {
  /** The same message told twice is one plan. */
  stage (batch: SlotBatch, where: SlotName, planned: readonly PlannedErasure[]): void
  stageRemoval (batch: SlotBatch, where: SlotName, planned: PlannedErasure): void
  /** Of one slot, oldest first. */
  listBefore (where: SlotName, before: PushVersion, limit: number): Promise<PlannedErasure[]>
  /** To a batch of the market slot. */
  stageTenant (batch: SlotBatch, tenantId: TenantId): void
  /** The tenants whose slots may hold plans; the market's own may always. */
  listTenants (): Promise<TenantId[]>
}

const realm = 'production'
const plansAtOnce = 2_000

export function openErasurePlans (connection: RedisConnection): ErasurePlans {
  const { keys, reads } = connection
  const keyOf = (where: SlotName): string => slotKey(keys, where, 'plans')
  const tenants = keys.market(realm, 'planning-tenants')

  return {
    stage (batch, where, planned) {
      const members = [...new Set(planned.map(memberOf))]
      for (let at = 0; at < members.length; at += plansAtOnce) {
        batch.run('ZADD', keyOf(where), ...members.slice(at, at + plansAtOnce).flatMap((member) => [0, member]))
      }
    },

    stageRemoval (batch, where, planned) {
      batch.run('ZREM', keyOf(where), memberOf(planned))
    },

    listBefore: (where, before, limit) => connection.guarded(async () => {
      // Members of one score stand by their bytes, and each begins with its version.
      const members = await reads.zrangebylex(keyOf(where), '-', `(["${before}"`, 'LIMIT', 0, limit)
      return members.map(plannedOf)
    }),

    stageTenant: (batch, tenantId) => { batch.run('SADD', tenants, tenantId) },

    listTenants: () => connection.guarded(async () => await reads.smembers(tenants) as TenantId[]),
  }
}

/** Equal plans are equal bytes, in whatever order a scope was written down. */
function memberOf ({ version, scope }: PlannedErasure): string {
  return JSON.stringify([version, Object.fromEntries(Object.entries(scope).sort(([a], [b]) => (a < b ? -1 : 1)))])
}

function plannedOf (member: string): PlannedErasure {
  const [version, scope] = JSON.parse(member) as [PushVersion, ErasureScope]
  return { version, scope }
}
