import type { Database, RootDatabase } from 'lmdb'
import { parseMoveState, type MoveState } from '../move-state.ts'
import { guarded, guardedNow } from './lmdb-environment.ts'

export interface LmdbMoveState {
  /** As it is now, also if another process has just changed it. */
  read (this: void): MoveState
  /** Durable when it resolves. */
  write (state: MoveState): Promise<void>
}

const key = 'state'

export function openMoveState (environment: RootDatabase): LmdbMoveState {
  const table: Database<string, string> = environment.openDB('move-state', { encoding: 'msgpack' })
  return {
    read: () => guardedNow(environment, () => {
      // LMDB reads what was there at the beginning of its transaction, which may be of before.
      table.resetReadTxn()
      return parseMoveState(table.get(key))
    }),
    write: (state) => guarded(environment, async () => {
      await (state === undefined ? table.remove(key) : table.put(key, state))
      await environment.flushed
    }),
  }
}
