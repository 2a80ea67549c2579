import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { PushLog } from '../directory/push-log.ts'
import type { Provisioning } from '../provisioning/open-provisioning.ts'
import { accessKeysOf, createPrivateKeyRing, fingerprintOf, firstKeyOf, type KeyKind, type PushKeySource } from './push-keys.ts'
import type { PushReport } from './push-report.ts'
import type { ReadingRules } from './read-content.ts'
import { takeCall, type OnPushFault } from './take-call.ts'
import { keyKindOf, verifyCall, type PushCall } from './verify-call.ts'

export interface ReceivePushOptions extends Omit<ReadingRules, 'hasHook'> {
  readonly directory: Pick<DirectoryStore, 'commit' | 'keepAnswer' | 'findAnswer' | 'findInstances' | 'findInstanceOfOrder'>
  readonly pushLog: Pick<PushLog, 'append'>
  readonly clock: Clock
  readonly keys: PushKeySource
  /** Told which key signed a call. */
  readonly keyUsage?: { use (kind: KeyKind, fingerprint: string, now: number): Promise<void> }
  readonly provisioning?: Provisioning
  /** How long the seller's system may let a newInstance wait; 1 s if absent. */
  readonly provisioningWaitMilliseconds?: number
}

export interface ReceivedPush {
  readonly report: PushReport
  /** What the answer is to be signed with; absent if no key is set. */
  readonly signingKey: Secret | undefined
}

export type ReceivePush = (call: PushCall, onFault: OnPushFault) => Promise<ReceivedPush>

/**
 * Takes one call from its bytes to the disk: verify, then read the verified text, then open secrets, then one transaction. Whatever
 * fails on the way has changed nothing.
 *
 * @throws Error at once if a private key is no PEM text
 */
export function createReceivePush (options: ReceivePushOptions): ReceivePush {
  const { provisioning = {}, provisioningWaitMilliseconds: waitMilliseconds = 1_000 } = options
  const rules: ReadingRules = { ...options, hasHook: provisioning.wake !== undefined }
  const privateKeysOf = createPrivateKeyRing()
  privateKeysOf(options.keys.current())

  return async (call, onFault) => {
    const keys = options.keys.current()
    const now = options.clock.now()
    const kind = keyKindOf(call.scheme)
    const accessKeys = accessKeysOf(kind, keys)
    const head = { scheme: call.scheme, interface: 'kit' in call ? call.kit.name : 'unknown' }
    const verification = await verifyCall(call, accessKeys, now)
    if (verification.kind === 'refused') return { report: { ...head, outcome: verification.because }, signingKey: firstKeyOf(kind, keys) }

    const { keyIndex, variant } = verification.call
    const signingKey = accessKeys[keyIndex]!
    const keyFingerprint = fingerprintOf(signingKey)
    options.keyUsage?.use(kind, keyFingerprint, now).catch((cause: unknown) => { onFault('key-usage', cause) })
    const signed = { ...head, keyIndex, keyFingerprint, variant }
    try {
      const readingKeys = { accessKeys: [signingKey], privateKeys: privateKeysOf(keys) }
      const tools = { ...options, provisioning, waitMilliseconds, rules, readingKeys, onFault }
      const report = await takeCall({ ...verification.call, head: signed, receivedAt: now, raw: rawOf(call) }, tools)
      return { report, signingKey }
    } catch (cause) {
      return { report: { ...signed, outcome: 'failed', cause }, signingKey }
    }
  }
}

function rawOf (call: PushCall): Buffer {
  return 'body' in call ? call.body : Buffer.from(call.query)
}
