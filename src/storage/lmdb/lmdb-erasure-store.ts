import { setImmediate } from 'node:timers/promises'
import type { Database, RootDatabase } from 'lmdb'
import type { ErasureReceipt, ErasureStore, ErasureSummary, PlannedErasure } from '../../directory/erasure.ts'
import { collectErasure } from './collect-erasure.ts'
import type { InTurn } from './in-turn.ts'
import type { Counters } from './lmdb-counters.ts'
import type { DirectoryRows } from './lmdb-directory-rows.ts'
import { guarded, written } from './lmdb-environment.ts'
import type { ErasurePlans } from './lmdb-erasure-plans.ts'
import type { Revisions } from './lmdb-revisions.ts'
import { PreparedBatch } from './prepared-batch.ts'

export interface ErasureParts {
  readonly environment: RootDatabase
  readonly rows: DirectoryRows
  readonly revisions: Revisions
  readonly plans: ErasurePlans
  readonly counters: Counters
}

const counter = 'erasure-receipts'
/** Removed in one transaction. */
const rowsAtOnce = 500

/**
 * Erasures in LMDB. They take the turns of the commits (`inTurn`), so that nothing comes back to life between the look and the removal.
 */
export function openLmdbErasureStore (parts: ErasureParts, inTurn: InTurn): ErasureStore {
  const { environment, plans } = parts
  const receipts: Database<ErasureReceipt, number> = environment.openDB('erasure-receipts', { encoding: 'msgpack' })
  const unsigned: Database<ErasureSummary, number> = environment.openDB('erasures-unsigned', { encoding: 'msgpack' })

  return {
    listDue: (before, limit) => guarded(environment, () => plans.listBefore(before, limit)),

    erase: (planned) => inTurn(() => guarded(environment, () => erase(parts, unsigned, planned))),

    listUnsigned: () => guarded(environment, () => [...unsigned.getRange()].map(({ key, value }) => ({ number: key, summary: value }))),

    keepReceipt: (receipt, number) => inTurn(() => written(environment, () => {
      const batch = new PreparedBatch()
      batch.put(receipts, number, receipt)
      batch.remove(unsigned, number)
      return batch.hand(environment)
    })),

    listReceipts: () => guarded(environment, () => [...receipts.getRange()].map(({ value }) => value)),
  }
}

async function erase (
  { environment, rows, revisions, plans, counters }: ErasureParts, unsigned: Database<ErasureSummary, number>, planned: PlannedErasure,
): ReturnType<ErasureStore['erase']> {
  const { scope, version } = planned
  const { keys, redacted, tenants, counts } = await collectErasure(rows, planned)
  const isEmpty = keys.length === 0 && redacted === undefined
  // A crash between two batches leaves the plan, and what is left goes the next time. No check for room: what must be forgotten is
  // forgotten also while the disk is full.
  for (let at = 0; at < keys.length; at += rowsAtOnce) {
    const some = new PreparedBatch()
    for (const key of keys.slice(at, at + rowsAtOnce)) some.remove(rows.table, key)
    await some.hand(environment)
    await setImmediate()
  }
  const last = new PreparedBatch()
  plans.stageRemoval(last, planned)
  if (redacted !== undefined) rows.stage(last, 'production', '', { kind: 'instance', row: redacted })
  if (scope.kind !== 'account') {
    for (const tenantId of tenants) rows.stageUnbound(last, 'production', tenantId, scope.instanceId)
  }
  const about = { kind: scope.kind, ...(scope.kind !== 'instance' && { tenantId: scope.tenantId }), instanceId: scope.instanceId }
  const summary: ErasureSummary = { ...about, ...counts, version }
  if (!isEmpty) {
    revisions.stageNext(last, 'production', tenants)
    const number = counters.get(counter) + 1
    last.put(unsigned, number, summary)
    counters.set(last, counter, number)
  }
  await last.hand(environment)
  await environment.flushed
  return isEmpty ? undefined : summary
}
