import { setImmediate } from 'node:timers/promises'
import type { Database, RootDatabase } from 'lmdb'

/** Anybody may make rows (a login begun, a code brought), so their number has no end: all of them at once would hold up every request. */
const rowsAtOnce = 1_000

/**
 * Removes the rows that are `isOver`, some at a time, with everybody else's turn in between; returns how many.
 *
 * @param removeMore takes away, in the same transaction, what belongs to a row
 */
export async function sweepTable<Value, Key extends string> (
  environment: RootDatabase, table: Database<Value, Key>, isOver: (value: Value) => boolean,
  removeMore: (key: Key) => void = () => {},
): Promise<number> {
  let removed = 0
  let start: Key | undefined
  do {
    const rows = [...table.getRange({ ...(start === undefined ? {} : { start, exclusiveStart: true }), limit: rowsAtOnce })]
    const over = rows.filter(({ value }) => isOver(value))
    if (over.length > 0) {
      await environment.batch(() => {
        for (const { key } of over) {
          removeMore(key)
          void table.remove(key)
        }
      })
    }
    removed += over.length
    start = rows.length === rowsAtOnce ? rows.at(-1)?.key : undefined
    await setImmediate()
  } while (start !== undefined)
  return removed
}
