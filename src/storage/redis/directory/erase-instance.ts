import type { ErasureSummary, PlannedErasure } from '../../../directory/erasure.ts'
import type { Instance } from '../../../directory/instance.ts'
import type { InstanceId, TenantId } from '../../../directory/model.ts'
import { isStillGone, redact, summarise, type ErasedCounts } from '../../erasure-rules.ts'
import { encodeChange } from '../redis-changes.ts'
import type { ErasureSummaries } from './redis-erasure-summaries.ts'
import { fieldOf, revisionKey, stageRow } from './redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'
import { expectRevision, findSubject, isNothing, nothingErased, stageChange, stageErasure, sumOf, type ErasureParts } from './stage-erasure.ts'

const realm = 'production'
const market = { realm } as const

export type EraseInstance = (planned: PlannedErasure, instanceId: InstanceId) => Promise<ErasureSummary | undefined>

/**
 * An instance lies in the slots of its tenants and in the market's. So that a crash at any point loses neither the erasure nor its
 * receipt: the plan is first in the market's slot, with a number for this erasure; each tenant's rows go in one step that leaves
 * their count under the number; the last step, in the market's slot, adds up the counts, keeps the summary and forgets the plan.
 * Whoever finds the plan goes on.
 */
export function createEraseInstance (parts: ErasureParts, summaries: ErasureSummaries): EraseInstance {
  const { connection, hashes, codec, plans, changes } = parts
  const { keys, reads } = connection
  const underWay = keys.market(realm, 'erasures', 'under-way')

  /** The number of the erasure that is under way for the plan. */
  async function begin (planned: PlannedErasure): Promise<number> {
    const field = JSON.stringify(planned)
    const known = await reads.hget(underWay, field)
    if (known !== null) return Number(known)
    const number = await summaries.nextNumber()
    const batch = new SlotBatch()
    batch.expectField(underWay, field, '')
    batch.put(underWay, field, number)
    plans.stage(batch, market, [planned])
    return await connection.commit(batch) === 0 ? number : begin(planned)
  }

  /** Returns what was erased under the number, now or before a crash. */
  async function eraseTenant (planned: PlannedErasure, number: number, tenantId: TenantId, instanceId: InstanceId): Promise<ErasedCounts> {
    const where = { realm, tenantId } as const
    for (;;) {
      const batch = new SlotBatch()
      await expectRevision(parts, batch, tenantId)
      const before = await summaries.find<ErasedCounts>(where, number) ?? nothingErased
      const counts = await stageErasure(batch, parts, { kind: 'tenant', tenantId, instanceId })
      const sum = sumOf([before, counts])
      plans.stageRemoval(batch, where, planned)
      if (!isNothing(counts)) {
        summaries.stage(batch, where, number, sum)
        stageChange(parts, batch, tenantId)
      }
      if (await connection.commit(batch) !== 0) continue
      if (!isNothing(counts)) changes.tell({ kind: 'tenant', realm, tenantId })
      return sum
    }
  }

  function stageRedacted (batch: SlotBatch, row: Instance): void {
    const { instanceId } = row
    stageRow(batch, hashes, codec, market, { kind: 'instance', row })
    batch.run('INCR', revisionKey(keys, market))
    batch.run('HINCRBY', hashes.instanceRevisions(realm), fieldOf(instanceId), 1)
    batch.publish(keys.channel, encodeChange({ kind: 'instance', realm, instanceId }))
  }

  async function finish (
    planned: PlannedErasure, number: number, instanceId: InstanceId, counts: ErasedCounts,
  ): Promise<ErasureSummary | undefined> {
    const field = JSON.stringify(planned)
    for (;;) {
      const batch = new SlotBatch()
      await expectRevision(parts, batch)
      const ours = batch.expectField(underWay, field, number)
      const subject = await findSubject(parts, planned.scope) as Instance | undefined
      const redacted = isStillGone(planned, subject) ? redact(subject) : undefined
      const summary = isNothing(counts) && redacted === undefined ? undefined : summarise(planned, counts)
      if (redacted !== undefined) stageRedacted(batch, redacted)
      plans.stageRemoval(batch, market, planned)
      batch.run('HDEL', underWay, field)
      if (summary !== undefined) {
        summaries.stageReserved(batch, number)
        summaries.stage(batch, market, number, summary)
      }
      const failed = await connection.commit(batch)
      if (failed === ours) return undefined
      if (failed !== 0) continue
      if (redacted !== undefined) changes.tell({ kind: 'instance', realm, instanceId })
      return summary
    }
  }

  return async (planned, instanceId) => {
    const isGone = isStillGone(planned, await findSubject(parts, planned.scope))
    const number = await begin(planned)
    const tenants = isGone ? await reads.smembers(hashes.tenantsOf(realm, instanceId)) as TenantId[] : []
    const counts: ErasedCounts[] = []
    for (const tenantId of tenants) counts.push(await eraseTenant(planned, number, tenantId, instanceId))
    const summary = await finish(planned, number, instanceId, sumOf(counts))
    for (const [at, tenantId] of tenants.entries()) {
      // After a crash here nothing leads to it any more.
      if (!isNothing(counts[at] ?? nothingErased)) await summaries.forget({ realm, tenantId }, number)
    }
    return summary
  }
}
