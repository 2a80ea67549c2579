import type { Clock } from '../../../base/clock.ts'
import { faults } from '../../../base/coded-errors.ts'
import { moveLookMs, parseMoveState, type MoveState } from '../../move-state.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

const keyOf = ({ keys }: RedisConnection): string => keys.own('move-state')

export function readMoveState (connection: RedisConnection): Promise<MoveState> {
  return connection.guarded(async () => parseMoveState(await connection.reads.get(keyOf(connection)) ?? undefined))
}

export async function writeMoveState (connection: RedisConnection, state: MoveState): Promise<void> {
  const batch = new SlotBatch()
  if (state === undefined) batch.run('DEL', keyOf(connection))
  else batch.run('SET', keyOf(connection), state)
  await connection.commit(batch)
}

const attempts = 5

/**
 * Looks as often as it must, and no two times at once. What it answers was true `moveLookMs` ago or later: an answer that took longer
 * to come says nothing about what was written meanwhile.
 */
export function createMoveLook (connection: RedisConnection, clock: Clock): () => MoveState | Promise<MoveState> {
  let known: { readonly state: MoveState, readonly at: number } | undefined
  let underWay: Promise<void> | undefined

  const isFresh = (): boolean => {
    const age = known === undefined ? Infinity : clock.now() - known.at
    return age >= 0 && age < moveLookMs
  }

  const look = async (): Promise<void> => {
    const at = clock.now()
    known = { state: await readMoveState(connection), at }
  }

  const lookUntilFresh = async (): Promise<MoveState> => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      await (underWay ??= look().finally(() => { underWay = undefined }))
      if (isFresh()) return known?.state
    }
    throw new faults.StorageUnavailable({ cause: new Error('the state of the store came too late') })
  }

  return () => isFresh() ? known?.state : lookUntilFresh()
}
