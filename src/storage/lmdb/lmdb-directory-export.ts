import { setImmediate } from 'node:timers/promises'
import type { RootDatabase } from 'lmdb'
import type { Realm } from '../../directory/model.ts'
import { canonicalLine } from '../canonical-lines.ts'
import type { DirectoryRows } from './lmdb-directory-rows.ts'
import { guarded } from './lmdb-environment.ts'
import type { RowKey } from './row-seal.ts'

const rowsAtOnce = 250

/**
 * The rows of one realm as lines of canonical JSON (`{"key":[…],"row":…}`, members by name), in the order of their keys, all of one
 * moment, also while a gateway goes on writing.
 */
export async function * exportDirectory (environment: RootDatabase, rows: DirectoryRows, realm: Realm): AsyncGenerator<string> {
  const transaction = await guarded(environment, () => environment.useReadTransaction())
  try {
    let start: RowKey | undefined
    do {
      const from = start === undefined ? {} : { start, exclusiveStart: true }
      const some = await guarded(environment, () => [...rows.table.getRange({ ...from, limit: rowsAtOnce, transaction })])
      for (const { key, value } of some) {
        if (key[1] === realm) yield canonicalLine(key, rows.open({ key, stored: value }))
      }
      start = some.length === rowsAtOnce ? some.at(-1)?.key : undefined
      await setImmediate()
    } while (start !== undefined)
  } finally {
    transaction.done()
  }
}
