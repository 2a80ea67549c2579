import type { ErasureStore, ErasureSummary, PlannedErasure } from '../../../directory/erasure.ts'
import type { PushVersion } from '../../../directory/model.ts'
import { isStillGone, summarise } from '../../erasure-rules.ts'
import { createEraseInstance } from './erase-instance.ts'
import type { ErasurePlans } from './redis-erasure-plans.ts'
import { openErasureSummaries, type ErasureSummaries } from './redis-erasure-summaries.ts'
import { SlotBatch } from '../connection/slot-batch.ts'
import { expectRevision, findSubject, isNothing, nothingErased, stageChange, stageErasure, type ErasureParts, type TenantScope } from './stage-erasure.ts'

/** How many slots are asked at once. */
const slotsAtOnce = 100
const realm = 'production'

/**
 * Erasures in Redis. What lies in one slot is removed in one step with the summary that the receipt is written from, if nothing was
 * pushed since the look. An instance lies in several: see `createEraseInstance`.
 */
export function openRedisErasureStore (parts: ErasureParts): ErasureStore {
  const { connection, plans } = parts
  const summaries = openErasureSummaries(connection)
  const eraseInstance = createEraseInstance(parts, summaries)

  return {
    listDue: (before, limit) => connection.guarded(() => listDue(plans, before, limit)),

    erase: (planned) => connection.guarded(async () => {
      const { scope } = planned
      return scope.kind === 'instance' ? eraseInstance(planned, scope.instanceId) : eraseInTenant(parts, summaries, planned, scope)
    }),

    listUnsigned: () => connection.guarded(() => summaries.listUnsigned()),
    keepReceipt: (receipt, number) => connection.guarded(() => summaries.keepReceipt(receipt, number)),
    listReceipts: () => connection.guarded(() => summaries.listReceipts()),
  }
}

/** One message may have its plan in several slots. */
async function listDue (plans: ErasurePlans, before: PushVersion, limit: number): Promise<PlannedErasure[]> {
  const tenants = await plans.listTenants()
  const due = new Map<string, PlannedErasure>()
  const collect = (found: readonly PlannedErasure[]): void => {
    for (const planned of found) due.set(JSON.stringify(planned), planned)
  }
  collect(await plans.listBefore({ realm }, before, limit))
  for (let at = 0; at < tenants.length; at += slotsAtOnce) {
    const some = tenants.slice(at, at + slotsAtOnce)
    for (const found of await Promise.all(some.map((tenantId) => plans.listBefore({ realm, tenantId }, before, limit)))) collect(found)
  }
  return [...due.values()].sort((a, b) => (a.version < b.version ? -1 : Number(a.version > b.version))).slice(0, limit)
}

async function eraseInTenant (
  parts: ErasureParts, summaries: ErasureSummaries, planned: PlannedErasure, scope: TenantScope,
): Promise<ErasureSummary | undefined> {
  const { connection, plans } = parts
  const where = { realm, tenantId: scope.tenantId } as const
  let number: number | undefined
  for (;;) {
    const batch = new SlotBatch()
    await expectRevision(parts, batch, scope.tenantId)
    const counts = isStillGone(planned, await findSubject(parts, scope)) ? await stageErasure(batch, parts, scope) : nothingErased
    const summary = isNothing(counts) ? undefined : summarise(planned, counts)
    plans.stageRemoval(batch, where, planned)
    if (summary !== undefined) {
      number ??= await summaries.reserve(where)
      summaries.stage(batch, where, number, summary)
      stageChange(parts, batch, scope.tenantId)
    }
    if (await connection.commit(batch) !== 0) continue
    if (summary !== undefined) parts.changes.tell({ kind: 'tenant', realm, tenantId: scope.tenantId })
    else if (number !== undefined) await summaries.release(number)
    return summary
  }
}
