import type { MoveState } from '../move-state.ts'
import type { StoredThing, ThingChange } from './stored-thing.ts'

/** A store as one end of a copy, whatever its move state says. */
export interface CopyEnd {
  /** All that is there, in no order. Of one moment only while nobody writes. */
  dump (): AsyncIterable<StoredThing>
  /** Durable when it resolves; may be repeated. No gateway may be writing this store. */
  write (changes: readonly ThingChange[]): Promise<void>
  readState (): Promise<MoveState>
  writeState (state: MoveState): Promise<void>
  close (): Promise<void>
}
