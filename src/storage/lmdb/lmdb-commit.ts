import { setImmediate } from 'node:timers/promises'
import type { RootDatabase } from 'lmdb'
import type { Clock } from '../../base/clock.ts'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { TenantId } from '../../directory/model.ts'
import type { PushMessage } from '../../directory/push-message.ts'
import type { PushEffect, RowWrite } from '../../directory/rows.ts'
import type { ChangeFeed } from '../../session/store-changes.ts'
import { applyInSlices } from '../apply-in-slices.ts'
import { changesNothing, ownRecord } from '../own-change.ts'
import type { DirectoryRows } from './lmdb-directory-rows.ts'
import { written } from './lmdb-environment.ts'
import type { ErasurePlans } from './lmdb-erasure-plans.ts'
import type { LmdbOutbox } from './lmdb-outbox.ts'
import type { LmdbPushLog } from './lmdb-push-log.ts'
import type { Receipts } from './lmdb-receipts.ts'
import type { Revisions } from './lmdb-revisions.ts'
import type { HandOver } from './lmdb-turns.ts'
import { PreparedBatch } from './prepared-batch.ts'

export interface CommitParts {
  readonly environment: RootDatabase
  readonly clock: Clock
  readonly rows: DirectoryRows
  readonly revisions: Revisions
  readonly receipts: Receipts
  readonly plans: ErasurePlans
  readonly outbox: LmdbOutbox
  readonly pushLog: LmdbPushLog
  readonly changes: ChangeFeed
}

type Changed = Extract<PushEffect, { kind: 'changed' }>

interface Staged { readonly effect: PushEffect, readonly touched: ReadonlySet<TenantId> }

/**
 * Applies a push and keeps all that belongs to it in one transaction: rows, revisions, receipt, record, events. What a push reads must
 * be what the push before it wrote: the caller makes one commit at a time (`TakeTurn`).
 */
export function createCommit (parts: CommitParts): (handOver: HandOver, ...values: Parameters<DirectoryStore['commit']>) => ReturnType<DirectoryStore['commit']> {
  const { environment, clock, rows, receipts } = parts

  return async (handOver, push, receipt) => {
    if (receipt !== undefined && receipts.isTaken(receipt.signatureDigest)) {
      const answer = receipts.answerTo(receipt.signatureDigest)
      return { kind: 'repeated', ...(answer !== undefined && { answer }) }
    }
    const batch = new PreparedBatch()
    const { effect, touched } = await stagePush(parts, batch, push)
    if (effect.kind !== 'changed') return effect
    const outcome = { kind: 'committed', ...(effect.instance && { instance: effect.instance }) } as const
    if (receipt === undefined && changesNothing(push, effect, rows.reader)) return outcome

    if (receipt !== undefined) receipts.stage(batch, receipt)
    const record = receipt === undefined ? ownRecord(push, clock.now()) : receipt.record
    // A large push was prepared in slices: its record is sealed and its batch handed over in turns of their own.
    const isLarge = batch.size > 500
    if (isLarge) await setImmediate()
    if (record !== undefined) parts.pushLog.stage(batch, record)
    if (isLarge) await setImmediate()
    await written(environment, () => handOver(batch))
    for (const tenantId of touched) parts.changes.tell({ kind: 'tenant', realm: push.realm, tenantId })
    return outcome
  }
}

/** Prepares what the push itself writes; an effect other than `changed` means that the batch is to be dropped. */
async function stagePush (parts: CommitParts, batch: PreparedBatch, push: PushMessage): Promise<Staged> {
  const { rows, revisions, plans, outbox } = parts
  const tenantId = push.kind === 'instance' ? '' : push.tenantId
  const touched = new Set<TenantId>(push.kind === 'instance' ? rows.tenantsOf(push.realm, push.instanceId) : [push.tenantId])
  let last: Changed | undefined
  for await (const effect of applyInSlices(push, rows.reader)) {
    if (effect.kind !== 'changed') return { effect, touched }
    for (const write of effect.writes) {
      if (write.kind === 'erasure') plans.stage(batch, write.planned)
      else rows.stage(batch, push.realm, tenantId, write)
      for (const bound of boundBy(rows, push, write)) touched.add(bound)
    }
    last = effect
  }
  if (push.kind !== 'instance') rows.stageBound(batch, push.realm, push.tenantId, push.instanceId)
  revisions.stageNext(batch, push.realm, touched)
  outbox.stage(batch, last?.events ?? [])
  return { effect: last ?? { kind: 'changed', writes: [], events: [] }, touched }
}

/** An instance may be another one than the push has named: the order's, or the one that it was renamed to. */
function boundBy (rows: DirectoryRows, { realm }: PushMessage, write: RowWrite): TenantId[] {
  switch (write.kind) {
    case 'instance': return rows.tenantsOf(realm, write.row.instanceId)
    case 'instance-gone': return rows.tenantsOf(realm, write.instanceId)
    case 'tenant': case 'binding': case 'account': case 'department': case 'department-list': case 'order': case 'erasure': return []
  }
}
