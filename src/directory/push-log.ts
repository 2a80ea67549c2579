import type { InstanceId, PushVersion, Realm, TenantId } from './model.ts'

/** A call that was verified, or a change of our own, as it is archived. */
export interface PushRecord {
  /** Epoch ms. */
  readonly receivedAt: number
  /** The interface's name on the wire, or `gateway` for a change of our own (a provisioning report, an order query). */
  readonly interface: string
  readonly generation: 'v1' | 'v2' | 'own'
  readonly realm?: Realm
  readonly tenantId?: TenantId
  readonly instanceId?: InstanceId
  /** Of a call to a base interface. The body of a V2 one names no time, and without it the record couldn't be read again. */
  readonly version?: PushVersion
  readonly outcome: string
  readonly resultCode: string
  /** Which access key had signed it: the beginning of its SHA-256. */
  readonly keyFingerprint?: string
  /** Which form of the signed text matched. */
  readonly variant?: string
  /** As it came: the body of a POST, the query of a GET; of an own change the push message in JSON. */
  readonly content: Buffer
}

export interface ArchivedPush extends PushRecord {
  /** Rises with each entry, without gaps but for what was swept. */
  readonly number: number
}

/** Every verified push, sealed at rest. What a commit does is archived in its transaction (`PushReceipt.record`). */
export interface PushLog {
  /** Archives a call that changed nothing. */
  append (record: PushRecord): Promise<void>
  /** In order of arrival, from `number` on. */
  list (from: number, limit: number): Promise<ArchivedPush[]>
  find (number: number): Promise<ArchivedPush | undefined>
  /** The number of the oldest and newest entry, `undefined` while there is none. */
  range (): Promise<{ readonly first: number, readonly last: number } | undefined>
  /** Forgets what came before `before` (epoch ms) and the oldest beyond `maximumBytes` of contents; returns how many. */
  sweep (before: number, maximumBytes: number): Promise<number>
}
