import type { Clock } from '../base/clock.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { InstanceEvent, ProvisioningReport } from '../directory/instance.ts'
import type { OutboxEntry } from '../directory/outbox.ts'
import type { FailedAnswer, HookAnswer } from './hook-answer.ts'
import type { ProvisioningHook } from './provisioning-hook.ts'
import type { WriteProvisioningLog } from './provisioning-log.ts'
import { versionAt, timeOf } from '../directory/push-version.ts'

export interface DeliveryParts {
  readonly directory: Pick<DirectoryStore, 'commit' | 'findInstances'>
  /** Absent: nobody listens, and an event is done with when it has been enriched. */
  readonly hook?: Pick<ProvisioningHook, 'tell'>
  readonly clock: Clock
  readonly log: WriteProvisioningLog
  /** Learns what the hook should be told beside the event itself. Must not reject. */
  readonly enrich?: (event: InstanceEvent) => Promise<void>
  /** From 0 to below 1. Spreads repeated calls, so that they don't come in one wave. */
  readonly random: () => number
}

export type Delivery =
  | { readonly kind: 'heard' }
  | { readonly kind: 'again', readonly attempts: number, readonly notBefore: number }

const minute = 60_000
const retryMilliseconds = [5_000, 30_000, 2 * minute, 10 * minute, 30 * minute] as const
/** From this attempt on somebody should look; those before may be a restart of the seller's system. */
const alarmingAttempts = 4
/** The marketplace gives an order up after two hours (sync.md §6, row 16): time to act is left. */
const lateMilliseconds = 90 * minute
const pendingMilliseconds = { least: 5_000, usual: 30_000, most: 5 * minute }

/**
 * Tells of one event once. What the seller's system reports is kept before the event counts as heard, so a crash in between has it
 * asked again.
 */
export async function deliverEvent (parts: DeliveryParts, { event, attempts }: OutboxEntry): Promise<Delivery> {
  await parts.enrich?.(event)
  if (parts.hook === undefined) return { kind: 'heard' }
  const [instance] = await parts.directory.findInstances('production', [event.instanceId])
  const answer = await parts.hook.tell(event, instance)
  switch (answer.kind) {
    case 'failed': return failed(parts, event, attempts + 1, answer)
    case 'pending': return pending(parts, event, answer.retryAfterSeconds)
    case 'report': {
      await takeReport(parts, event, answer)
      return { kind: 'heard' }
    }
  }
}

/**
 * When the next attempt comes: quickly at first, hourly in the end, never earlier than that and up to a fifth later.
 *
 * @param attempts those that have failed
 */
export function retryAt ({ clock, random }: Pick<DeliveryParts, 'clock' | 'random'>, attempts: number): number {
  const pause = retryMilliseconds[attempts - 1] ?? 60 * minute
  return clock.now() + Math.round(pause * (1 + random() / 5))
}

function failed (parts: DeliveryParts, event: InstanceEvent, attempts: number, answer: FailedAnswer): Delivery {
  const { why, status, member, cause } = answer
  const notBefore = retryAt(parts, attempts)
  const level = attempts < alarmingAttempts ? 'warn' : 'error'
  const line = { ...nameOf(event), event: 'provisioning.failed', attempts, nextAt: new Date(notBefore).toISOString(), why, status, member, err: cause }
  parts.log(level, line, 'the provisioning hook did not take an event')
  return { kind: 'again', attempts, notBefore }
}

/** Not a failure: the attempts start anew, since the hook works. */
function pending ({ clock, log }: DeliveryParts, event: InstanceEvent, retryAfterSeconds: number | undefined): Delivery {
  const { least, usual, most } = pendingMilliseconds
  const age = clock.now() - timeOf(event.occurredAt)
  const wish = retryAfterSeconds === undefined ? (age < lateMilliseconds ? usual : most) : retryAfterSeconds * 1000
  const pause = Math.min(Math.max(wish, least), most)
  // Said once, when the limit falls between this question and the next.
  if (event.type === 'instance.created' && age < lateMilliseconds && age + pause >= lateMilliseconds) {
    log('error', { ...nameOf(event), event: 'provisioning.late' }, 'an instance is not ready; the marketplace refunds the order two hours after it')
  }
  return { kind: 'again', attempts: 0, notBefore: clock.now() + pause }
}

async function takeReport (parts: DeliveryParts, event: InstanceEvent, answer: Extract<HookAnswer, { kind: 'report' }>): Promise<void> {
  const { directory, clock, log } = parts
  const { report, unknownMembers } = answer
  if (unknownMembers.length > 0) {
    log('warn', { ...nameOf(event), event: 'provisioning.unknown-members', members: unknownMembers }, 'the provisioning hook answered members that mean nothing')
  }
  if (report.kind === 'refused') log('error', { ...nameOf(event), event: 'provisioning.refused', reason: report.reason }, 'the provisioning hook says no')
  if (event.type !== 'instance.created' && isWithoutNews(report)) return
  const outcome = await directory.commit({
    kind: 'instance', realm: 'production', version: versionAt(clock.now()), instanceId: event.instanceId, change: { kind: 'provision', report },
  })
  if (outcome.kind !== 'committed') {
    log('warn', { ...nameOf(event), event: 'provisioning.not-kept', outcome: outcome.kind }, 'what the provisioning hook reported was not kept')
  } else if (report.kind === 'ready' && report.instanceId !== undefined && outcome.instance?.instanceId !== report.instanceId) {
    log('warn', { ...nameOf(event), event: 'provisioning.id-not-taken', wished: report.instanceId }, 'the instance keeps its id: it is taken, or the marketplace knows the first')
  }
}

/** Only the first event asks whether the instance is there; to the others "heard" says nothing about that. */
function isWithoutNews (report: ProvisioningReport): boolean {
  return report.kind === 'ready' && Object.keys(report).length === 1
}

function nameOf ({ id, type, instanceId }: InstanceEvent) {
  return { webhookId: id, type, instanceId }
}
