import { setImmediate } from 'node:timers/promises'
import type { Database, RootDatabase } from 'lmdb'
import type { ErasureReceipt, ErasureStore, ErasureSummary, PlannedErasure } from '../../directory/erasure.ts'
import type { ChangeFeed } from '../../session/store-changes.ts'
import { summarise } from '../erasure-rules.ts'
import { collectErasure } from './collect-erasure.ts'
import type { Counters } from './lmdb-counters.ts'
import type { DirectoryRows } from './lmdb-directory-rows.ts'
import { guarded, written } from './lmdb-environment.ts'
import type { ErasurePlans } from './lmdb-erasure-plans.ts'
import type { Revisions } from './lmdb-revisions.ts'
import type { HandOver, TakeTurn } from './lmdb-turns.ts'
import { PreparedBatch } from './prepared-batch.ts'

export interface ErasureParts {
  readonly environment: RootDatabase
  readonly rows: DirectoryRows
  readonly revisions: Revisions
  readonly plans: ErasurePlans
  readonly counters: Counters
  readonly changes: ChangeFeed
}

const counter = 'erasure-receipts'
/** Removed in one transaction. */
const rowsAtOnce = 500

/**
 * Erasures in LMDB. They take the turns of the commits, so that nothing comes back to life between the look and the removal.
 */
export function openLmdbErasureStore (parts: ErasureParts, takeTurn: TakeTurn): ErasureStore {
  const { environment, plans } = parts
  const receipts: Database<ErasureReceipt, number> = environment.openDB('erasure-receipts', { encoding: 'msgpack' })
  const unsigned: Database<ErasureSummary, number> = environment.openDB('erasures-unsigned', { encoding: 'msgpack' })

  return {
    listDue: (before, limit) => guarded(environment, () => plans.listBefore(before, limit)),

    // Alone from the beginning: the summary of one that begins again would lack what was removed before.
    erase: (planned) => takeTurn((handOver) => guarded(environment, () => erase(parts, handOver, unsigned, planned)), { exclusive: true }),

    listUnsigned: () => guarded(environment, () => [...unsigned.getRange()].map(({ key, value }) => ({ number: key, summary: value }))),

    keepReceipt: (receipt, number) => takeTurn((handOver) => written(environment, () => {
      const batch = new PreparedBatch()
      batch.put(receipts, number, receipt)
      batch.remove(unsigned, number)
      return handOver(batch)
    })),

    listReceipts: () => guarded(environment, () => [...receipts.getRange()].map(({ value }) => value)),
  }
}

async function erase (
  { environment, rows, revisions, plans, counters, changes }: ErasureParts,
  handOver: HandOver,
  unsigned: Database<ErasureSummary, number>,
  planned: PlannedErasure,
): ReturnType<ErasureStore['erase']> {
  const { scope } = planned
  const { keys, redacted, tenants, counts } = await collectErasure(rows, planned)
  const isEmpty = keys.length === 0 && redacted === undefined
  // A crash between two batches leaves the plan, and what is left goes the next time. What the plan stands and falls with, a tenant's own
  // row, goes in the last one with the summary. No check for room: what must be forgotten is forgotten also while the disk is full.
  const lastAt = Math.max(0, keys.length - rowsAtOnce)
  for (let at = 0; at < lastAt; at += rowsAtOnce) {
    const some = new PreparedBatch()
    for (const key of keys.slice(at, Math.min(at + rowsAtOnce, lastAt))) some.remove(rows.table, key)
    await handOver(some)
    await setImmediate()
  }
  const last = new PreparedBatch()
  for (const key of keys.slice(lastAt)) last.remove(rows.table, key)
  plans.stageRemoval(last, planned)
  if (redacted !== undefined) rows.stage(last, 'production', '', { kind: 'instance', row: redacted })
  if (scope.kind !== 'account') {
    for (const tenantId of tenants) rows.stageUnbound(last, 'production', tenantId, scope.instanceId)
  }
  const summary = summarise(planned, counts)
  if (!isEmpty) {
    revisions.stageNext(last, 'production', tenants)
    const number = counters.get(counter) + 1
    last.put(unsigned, number, summary)
    counters.set(last, counter, number)
  }
  await handOver(last)
  await environment.flushed
  for (const tenantId of tenants) changes.tell({ kind: 'tenant', realm: 'production', tenantId })
  return isEmpty ? undefined : summary
}
