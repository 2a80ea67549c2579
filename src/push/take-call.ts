import type { DirectoryStore, PushReceipt } from '../directory/directory-store.ts'
import type { PushLog, PushRecord } from '../directory/push-log.ts'
import { performReading, type Performed, type PerformOptions } from './perform-reading.ts'
import { isCreation } from './production/take-purchase.ts'
import { answerOf, resultOf, type PushReport } from './push-report.ts'
import { readContent, type ContentReading, type ReadingKeys, type ReadingRules } from './read-content.ts'
import { generationOf, type VerifiedCall } from './verify-call.ts'

/** What went wrong beside the answer. */
export type OnPushFault = (what: 'archive' | 'key-usage' | 'wake' | 'refresh-purchase', cause: unknown) => void

export interface SignedCall extends VerifiedCall {
  readonly head: Omit<PushReport, 'outcome'>
  /** Epoch ms. */
  readonly receivedAt: number
  /** For the archive: as it came. */
  readonly raw: Buffer
}

export interface TakeCallOptions extends Omit<PerformOptions, 'generation' | 'directory' | 'onFault'> {
  readonly directory: PerformOptions['directory'] & Pick<DirectoryStore, 'findAnswer' | 'keepAnswer'>
  readonly pushLog: Pick<PushLog, 'append'>
  readonly rules: ReadingRules
  readonly readingKeys: ReadingKeys
  readonly onFault: OnPushFault
}

/**
 * Acts on a verified call, once: the same signature gets the same answer and has no second effect (T-49).
 *
 * @throws whatever a store throws: nothing may be acknowledged then
 */
export async function takeCall (call: SignedCall, options: TakeCallOptions): Promise<PushReport> {
  const { directory, pushLog, onFault } = options
  const { signatureDigest, expiresAt } = call
  const storedAnswer = await directory.findAnswer(signatureDigest)
  if (storedAnswer !== undefined) return { ...call.head, outcome: 'repeated', storedAnswer }

  const { head, performed } = await perform(call, options)
  const report: PushReport = { ...head, ...performed.report }
  if (performed.mustKeep) await directory.keepAnswer(signatureDigest, expiresAt, answerOf(report))
  if (!performed.isArchived) {
    // Such a call is answered in any case: it changed nothing that the archive would have to prove.
    await pushLog.append(recordOf(call, report)).catch((cause: unknown) => { onFault('archive', cause) })
  }
  performed.afterwards?.()
  return report
}

async function perform (call: SignedCall, options: TakeCallOptions): Promise<{ head: SignedCall['head'], performed: Performed }> {
  if (call.hasRepeatedNames) {
    return { head: call.head, performed: { report: { outcome: 'names-repeated' }, isArchived: false, mustKeep: false } }
  }
  const { reading, ...about } = await readContent(call.content, options.rules, options.readingKeys)
  const head = { ...call.head, ...about, ...subjectOf(reading) }
  const generation = generationOf(call.content.scheme)
  const performed = await performReading({ ...options, generation }, reading, receiptOf(call, head, reading))
  return { head, performed }
}

/** What the transaction keeps of a call, if it changes anything. */
function receiptOf (call: SignedCall, head: SignedCall['head'], reading: ContentReading['reading']): PushReceipt {
  const { signatureDigest, expiresAt } = call
  const report: PushReport = { ...head, outcome: 'committed' }
  const creation = reading.kind === 'message' && isCreation(reading.push) ? reading.push : undefined
  if (creation === undefined) return { signatureDigest, expiresAt, answer: answerOf(report), record: recordOf(call, report) }
  // The id that is answered comes out of the transaction only, and how ready it is after it.
  const isPending = creation.change.provisioning === 'pending'
  return { signatureDigest, expiresAt, record: { ...recordOf(call, report), ...(isPending && { resultCode: '000004' }) } }
}

function recordOf ({ content, receivedAt, raw }: SignedCall, report: PushReport): PushRecord {
  const { interface: name, realm, tenantId, instanceId, keyFingerprint, variant, outcome } = report
  return {
    receivedAt,
    interface: name,
    generation: generationOf(content.scheme),
    ...(realm !== undefined && { realm }),
    ...(tenantId !== undefined && { tenantId }),
    ...(instanceId !== undefined && { instanceId }),
    ...('version' in content && { version: content.version }),
    outcome,
    resultCode: resultOf(report).resultCode,
    ...(keyFingerprint !== undefined && { keyFingerprint }),
    ...(variant !== undefined && { variant }),
    content: raw,
  }
}

/** Whom and what a call is about, as far as it could be read. */
function subjectOf (reading: ContentReading['reading']): Pick<PushReport, 'realm' | 'tenantId' | 'instanceId'> {
  switch (reading.kind) {
    case 'message': {
      const { push } = reading
      return { realm: push.realm, instanceId: push.instanceId, ...(push.kind !== 'instance' && { tenantId: push.tenantId }) }
    }
    case 'query': {
      const [instanceId] = reading.instanceIds
      return { realm: reading.realm, ...(instanceId !== undefined && reading.instanceIds.length === 1 && { instanceId }) }
    }
    case 'change-check': return { realm: reading.realm, instanceId: reading.instanceId }
    case 'order-notice': return { realm: reading.realm }
    case 'illegal': case 'secret-unreadable': case 'interface-unknown': return {}
  }
}
