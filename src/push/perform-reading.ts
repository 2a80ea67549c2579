import type { DirectoryStore, PushReceipt } from '../directory/directory-store.ts'
import type { PushMessage } from '../directory/push-message.ts'
import { describeInstances, describePurchase, type InstanceAnswer } from './production/instance-answer.ts'
import { isCreation, takePurchase, type CreationPush } from './production/take-purchase.ts'
import type { ProductionReading } from './production/production-interface.ts'
import type { Provisioning } from '../provisioning/open-provisioning.ts'
import type { PushReport } from './push-report.ts'
import type { ContentReading } from './read-content.ts'
import { within } from './within.ts'

export interface PerformOptions {
  readonly directory: Pick<DirectoryStore, 'commit' | 'findInstances' | 'findInstanceOfOrder'>
  readonly provisioning: Provisioning
  readonly generation: 'v1' | 'v2'
  /** How long the seller's system may let a newInstance wait. */
  readonly waitMilliseconds: number
  readonly onFault: (what: 'wake' | 'refresh-purchase', cause: unknown) => void
}

/** What was done about a call, and what is left to do before it is answered. */
export interface Performed {
  readonly report: Pick<PushReport, 'outcome' | 'member' | 'why' | 'details' | 'storedAnswer' | 'instanceId'>
  /** Whether the commit has archived the call. */
  readonly isArchived: boolean
  /** Whether the answer is still to be kept: it is final, and no commit knew it. */
  readonly mustKeep: boolean
  /** Begun after the answer is kept, and not waited for. */
  readonly afterwards?: () => void
}

/** Its answer to a change check may take this long: the marketplace waits 5 s for the whole (sync.md §0.4). */
const changeCheckMilliseconds = 4_000

/** @throws whatever a store or the seller's system throws: nothing may be acknowledged then */
export async function performReading (options: PerformOptions, reading: ContentReading['reading'], receipt: PushReceipt): Promise<Performed> {
  switch (reading.kind) {
    case 'interface-unknown': case 'secret-unreadable': return refused({ outcome: reading.kind })
    case 'illegal': return refused({ outcome: 'member-illegal', member: reading.member })
    case 'message': return isCreation(reading.push) ? create(options, reading.push, receipt) : commit(options, reading.push, receipt)
    case 'query': {
      const found = await options.directory.findInstances(reading.realm, reading.instanceIds)
      return question(describeInstances(reading.instanceIds, found, options.generation))
    }
    case 'change-check': return checkChange(options, reading)
    case 'order-notice': return question({ outcome: 'answered' }, refreshOf(options, reading))
  }
}

async function commit ({ directory }: PerformOptions, push: PushMessage, receipt: PushReceipt): Promise<Performed> {
  const done = await directory.commit(push, receipt)
  switch (done.kind) {
    case 'committed': return { report: { outcome: 'committed' }, isArchived: true, mustKeep: false }
    case 'repeated': {
      const stored = done.answer === undefined ? {} : { storedAnswer: done.answer }
      return { report: { outcome: 'repeated', ...stored }, isArchived: true, mustKeep: false }
    }
    case 'incomplete': return refused({ outcome: 'member-illegal', member: done.member })
    case 'instance-unknown': return refused({ outcome: 'instance-unknown' })
  }
}

async function create (options: PerformOptions, push: CreationPush, receipt: PushReceipt): Promise<Performed> {
  const onWakeFault = (cause: unknown): void => { options.onFault('wake', cause) }
  const { isRepeat, instance } = await takePurchase({ ...options, onWakeFault }, push, receipt)
  const taken = isRepeat ? 'repeated' : 'committed'
  const { outcome, details = {} } = describePurchase(instance, options.generation)
  return {
    report: { outcome: outcome === 'answered' ? taken : outcome, details, instanceId: instance.instanceId },
    isArchived: true,
    // "In process" is no answer to keep: the same call again shall hear how far it got.
    mustKeep: outcome !== 'instance-pending',
  }
}

async function checkChange (options: PerformOptions, { realm, instanceId, productInfo }: ProductionReading & { kind: 'change-check' }): Promise<Performed> {
  const [instance] = await options.directory.findInstances(realm, [instanceId])
  if (instance === undefined) return refused({ outcome: 'instance-unknown' })
  if (realm === 'test') return question({ outcome: 'answered' })
  const { askChange } = options.provisioning
  const answer = askChange && await within(changeCheckMilliseconds, askChange({ realm, instanceId, productInfo }))
  if (answer?.kind === 'fits') return question({ outcome: 'answered' })
  if (answer?.kind === 'unfit') return { ...refused({ outcome: 'change-refused', why: answer.reason }), mustKeep: true }
  // Yes only if somebody who knows has said so (sync.md §4.7).
  return refused({ outcome: 'change-refused', why: 'the seller\'s system could not check it' })
}

function refreshOf ({ provisioning, onFault }: PerformOptions, { realm, order }: ProductionReading & { kind: 'order-notice' }): (() => void) | undefined {
  const { refreshPurchase } = provisioning
  // Debugging orders are known to nobody else.
  if (refreshPurchase === undefined || realm === 'test') return undefined
  return () => { refreshPurchase(order).catch((cause: unknown) => { onFault('refresh-purchase', cause) }) }
}

function refused (report: Performed['report']): Performed {
  return { report, isArchived: false, mustKeep: false }
}

/** An unknown or unfinished instance may be known and ready a moment later, so such an answer isn't kept. */
function question (report: InstanceAnswer, afterwards?: () => void): Performed {
  const mustKeep = report.outcome === 'answered' || report.outcome === 'instance-refused'
  return { report, isArchived: false, mustKeep, ...(afterwards && { afterwards }) }
}
