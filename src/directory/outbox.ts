import type { InstanceEvent } from './instance.ts'

/** An event that the seller's system must hear of, kept until it has. */
export interface OutboxEntry {
  /** Rises with each entry. Entries of one instance are told in this order. */
  readonly sequence: number
  readonly event: InstanceEvent
  readonly attempts: number
  /** Epoch ms before which it isn't tried again. */
  readonly notBefore: number
}

/** Entries are made by `DirectoryStore.commit`, in the transaction of the change that they tell of. */
export interface Outbox {
  /** All that wait, by sequence. */
  list (): Promise<OutboxEntry[]>
  /** The entry as it is now, `undefined` if it was told. */
  find (sequence: number): Promise<OutboxEntry | undefined>
  postpone (sequence: number, attempts: number, notBefore: number): Promise<void>
  /** The seller's system has heard it. */
  remove (sequence: number): Promise<void>
}
