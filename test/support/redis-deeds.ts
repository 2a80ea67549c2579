import type { Test } from 'tap'
import { codeOf } from '../../src/base/coded-errors.ts'
import { SlotBatch } from '../../src/storage/redis/connection/slot-batch.ts'

export function setting (key: string, value: string): SlotBatch {
  const batch = new SlotBatch()
  batch.run('SET', key, value)
  return batch
}

/** The milliseconds until it failed with the store's code; anything else fails the test. */
export async function failure (t: Pick<Test, 'equal'>, what: string, deed: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  const error: unknown = await deed().then(() => 'it worked', (error: unknown) => error)
  t.equal(codeOf(error), 'GW_STORAGE_UNAVAILABLE', what)
  return performance.now() - start
}
