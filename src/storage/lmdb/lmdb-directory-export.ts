import { setImmediate } from 'node:timers/promises'
import type { RootDatabase } from 'lmdb'
import { Secret } from '../../base/secret.ts'
import type { Realm } from '../../directory/model.ts'
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
        if (key[1] === realm) yield canonical({ key, row: rows.open({ key, stored: value }) })
      }
      start = some.length === rowsAtOnce ? some.at(-1)?.key : undefined
      await setImmediate()
    } while (start !== undefined)
  } finally {
    transaction.done()
  }
}

function canonical (value: unknown): string {
  return JSON.stringify(inOrder(value))
}

/** Members by name; an absent one and one without a value are the same. */
function inOrder (value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]))
}
