import type { Clock } from '../../../base/clock.ts'
import type { CommitOutcome, DirectoryStore, PushReceipt } from '../../../directory/directory-store.ts'
import type { PlannedErasure } from '../../../directory/erasure.ts'
import type { InstanceId } from '../../../directory/model.ts'
import type { PushMessage } from '../../../directory/push-message.ts'
import type { PushEffect, RowWrite } from '../../../directory/rows.ts'
import { applyInSlices } from '../../apply-in-slices.ts'
import { createTurns } from '../../in-turn.ts'
import { changesNothing, ownRecord } from '../../own-change.ts'
import { encodeChange, type RedisChanges } from '../redis-changes.ts'
import type { ErasurePlans } from './redis-erasure-plans.ts'
import type { RedisOutbox } from './redis-outbox.ts'
import type { RedisPushLog } from './redis-push-log.ts'
import { readPushRows, slotOf, type PushRows, type PushRowsParts } from './redis-push-rows.ts'
import { fieldOf, revisionKey, slotKey, stageRow } from './redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

export interface CommitParts extends PushRowsParts {
  readonly clock: Clock
  readonly plans: ErasurePlans
  readonly outbox: Pick<RedisOutbox, 'stage'>
  readonly pushLog: Pick<RedisPushLog, 'reserve' | 'stage'>
  readonly changes: Pick<RedisChanges, 'tell'>
}

/** What a push writes, row by row sealed into the batch. */
interface Staged {
  readonly effect: PushEffect
  /** Instances whose rows it writes. */
  readonly instances: ReadonlySet<InstanceId>
  readonly planned: readonly PlannedErasure[]
}

/** Of two gateways that commit to one slot at once, one has its way each time; who fails so often meets something else. */
const attemptsAtMost = 50

/**
 * Applies a push as one atomic step in its slot: rows, revision, receipt, record, events, notification. It reads, computes, and commits
 * if nobody has committed to the slot meanwhile, else it begins again. Commits of this gateway take turns, so only others get in its way.
 */
export function createRedisCommit (parts: CommitParts): DirectoryStore['commit'] {
  const { connection, receipts, changes } = parts
  const inTurn = createTurns()

  return (push, receipt) => inTurn(slotKey(connection.keys, slotOf(push)), () => connection.guarded(async () => {
    const numberOf = reserveOnce(parts, push, receipt)
    for (let attempt = 0; attempt < attemptsAtMost; attempt++) {
      const outcome = await tryCommit(parts, push, receipt, numberOf)
      if (outcome === 'overtaken') continue
      if (outcome.kind === 'repeated' && outcome.answer === undefined && receipt !== undefined) {
        const answer = await receipts.findAnswer(receipt.signatureDigest)
        return { kind: 'repeated', ...(answer !== undefined && { answer }) }
      }
      return outcome
    }
    throw new Error('other gateways have always been faster')
  }))

  async function tryCommit (
    parts: CommitParts, push: PushMessage, receipt: PushReceipt | undefined, numberOf: () => Promise<Archived | undefined>,
  ): Promise<CommitOutcome | 'overtaken'> {
    const where = slotOf(push)
    const rows = await readPushRows(parts, push, receipt?.signatureDigest)
    if (rows.taken !== undefined) {
      // The commit that took it may have failed for want of a replica: only now it is acknowledged.
      await connection.settle(revisionKey(connection.keys, where))
      return { kind: 'repeated', ...(rows.taken.answer !== undefined && { answer: rows.taken.answer }) }
    }
    const batch = new SlotBatch()
    batch.expect(revisionKey(connection.keys, where), rows.revision)
    const staged = await stagePush(parts, batch, push, rows, receipt === undefined)
    if (staged.effect.kind !== 'changed') return staged.effect
    const outcome = { kind: 'committed', ...(staged.effect.instance && { instance: staged.effect.instance }) } as const
    if (batch.isEmpty) return outcome

    if (receipt !== undefined) receipts.stage(batch, where, receipt)
    const [archived] = await Promise.all([numberOf(), writeAhead(parts, push, rows, staged)])
    if (archived !== undefined) parts.pushLog.stage(batch, where, archived.number, archived.record)
    const told = toldOf(push, staged)
    for (const change of told) batch.publish(connection.keys.channel, encodeChange(change))
    if (await connection.commit(batch) !== 0) return 'overtaken'
    for (const change of told) changes.tell(change)
    if (receipt !== undefined) receipts.copyAnswer(receipt)
    return outcome
  }
}

interface Archived { readonly number: number, readonly record: NonNullable<PushReceipt['record']> }

/** However often it is tried, a push is archived under one number. */
function reserveOnce (
  { pushLog, clock }: CommitParts, push: PushMessage, receipt: PushReceipt | undefined,
): () => Promise<Archived | undefined> {
  let reserved: Archived | undefined
  return async () => {
    const record = receipt === undefined ? ownRecord(push, clock.now()) : receipt.record
    if (record === undefined) return undefined
    return (reserved ??= { record, number: await pushLog.reserve(record, slotOf(push)) })
  }
}

/** @param isOwn a change of our own that changes nothing leaves the batch empty */
async function stagePush (parts: CommitParts, batch: SlotBatch, push: PushMessage, rows: PushRows, isOwn: boolean): Promise<Staged> {
  const { connection, hashes, codec } = parts
  const where = slotOf(push)
  const instances = new Set<InstanceId>()
  const planned: PlannedErasure[] = []
  let last: Extract<PushEffect, { kind: 'changed' }> = { kind: 'changed', writes: [], events: [] }
  for await (const effect of applyInSlices(push, rows.reader)) {
    if (effect.kind !== 'changed') return { effect, instances, planned }
    last = effect
    if (isOwn && changesNothing(push, effect, rows.reader)) continue
    for (const write of effect.writes) {
      if (write.kind === 'erasure') planned.push(write.planned)
      else stageRow(batch, hashes, codec, where, write)
      for (const instanceId of instancesOf(write)) instances.add(instanceId)
    }
  }
  if (isOwn && batch.isEmpty && planned.length === 0) return { effect: last, instances, planned }
  parts.plans.stage(batch, where, planned)
  batch.run('INCR', revisionKey(connection.keys, where))
  for (const instanceId of instances) batch.run('HINCRBY', hashes.instanceRevisions(push.realm), fieldOf(instanceId), 1)
  if (push.kind !== 'instance' && !rows.isBound) {
    batch.put(hashes.bindingsToInstances(push.realm, push.tenantId), fieldOf(push.instanceId), rows.instanceRevision)
  }
  if (last.events.length > 0) parts.outbox.stage(batch, rows.lastSequence, last.events)
  return { effect: last, instances, planned }
}

function instancesOf (write: RowWrite): InstanceId[] {
  switch (write.kind) {
    case 'instance': return [write.row.instanceId]
    case 'instance-gone': return [write.instanceId]
    case 'tenant': case 'binding': case 'account': case 'department': case 'department-list': case 'order': case 'erasure': return []
  }
}

/** The market's lists must lead to what a tenant's slot is about to hold, whatever stops us between the two. */
async function writeAhead (
  { connection, hashes, plans }: CommitParts, push: PushMessage, rows: PushRows, { planned }: Staged,
): Promise<void> {
  if (push.kind === 'instance') return
  const { realm, tenantId, instanceId } = push
  const batch = new SlotBatch()
  if (!rows.isBound) {
    batch.run('SADD', hashes.tenantIds(realm), tenantId)
    batch.run('SADD', hashes.tenantsOf(realm, instanceId), tenantId)
  }
  if (planned.length > 0) plans.stageTenant(batch, tenantId)
  if (!batch.isEmpty) await connection.commit(batch)
}

function toldOf (push: PushMessage, { instances }: Staged): Array<Parameters<typeof encodeChange>[0]> {
  const { realm } = push
  if (push.kind !== 'instance') return [{ kind: 'tenant', realm, tenantId: push.tenantId }]
  return [...instances].map((instanceId) => ({ kind: 'instance', realm, instanceId }))
}
