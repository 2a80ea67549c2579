import type { KeyUsage } from '../../base/key-usage-store.ts'
import type { StoredSigningKey } from '../../base/signing-key-store.ts'
import type { ErasureReceipt, ErasureSummary, PlannedErasure } from '../../directory/erasure.ts'
import type { OutboxEntry } from '../../directory/outbox.ts'
import type { PushRecord } from '../../directory/push-log.ts'
import type { LoginFlow, PendingConfirmation } from '../../session/login-flow.ts'
import type { Session } from '../../session/session.ts'

/** By kind, what a store holds, opened. The comment says what the key's parts are. */
interface ThingValues {
  /** as in `DirectoryStore.export`; the value is the row in JSON, secrets opened */
  row: unknown
  /** signature → epoch ms of its end */
  receipt: number
  /** signature */
  answer: { readonly expiresAt: number, readonly answer: string }
  /** sequence */
  event: Omit<OutboxEntry, 'sequence'>
  /** number */
  push: PushRecord
  /** name; the last number that was given */
  counter: number
  /** the plan in JSON */
  plan: PlannedErasure
  /** number */
  unsigned: ErasureSummary
  /** number */
  'erasure-receipt': ErasureReceipt
  /** kind, fingerprint */
  'key-usage': Pick<KeyUsage, 'firstSeenAt' | 'lastUsedAt' | 'uses'>
  /** place in the chain */
  'signing-key': StoredSigningKey
  /** ref */
  session: Session
  /** ref */
  flow: LoginFlow
  /** ref */
  confirmation: PendingConfirmation
  /** digest → epoch ms of its end */
  code: number
}

export type ThingKind = keyof ThingValues
export type ThingKey = readonly string[]
export type CounterName = 'push-log' | 'outbox' | 'erasures'

/** One thing that a store keeps, in a form that every store can give and take. */
export type StoredThing = {
  readonly [Kind in ThingKind]: { readonly kind: Kind, readonly key: ThingKey, readonly value: ThingValues[Kind] }
}[ThingKind]

/** A thing to write over what is there under its key; without a value, to remove. */
export type ThingChange = {
  readonly [Kind in ThingKind]: { readonly kind: Kind, readonly key: ThingKey, readonly value: ThingValues[Kind] | undefined }
}[ThingKind]

export function planKey ({ version, scope }: PlannedErasure): ThingKey {
  return [version, JSON.stringify(Object.entries(scope).sort())]
}

export function planOf ([version = '', scope = '[]']: ThingKey): PlannedErasure {
  return { version, scope: Object.fromEntries(JSON.parse(scope) as Array<[string, string]>) } as unknown as PlannedErasure
}

/**
 * Where one too many does no harm and ends by itself within minutes: that a signature was taken and a code was spent. They may lie
 * where only their own message looks, and so are not looked for to be removed.
 */
export function mayBeLeft (kind: ThingKind): boolean {
  return kind === 'receipt' || kind === 'answer' || kind === 'code'
}
