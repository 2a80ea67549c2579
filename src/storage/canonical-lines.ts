import * as lmdb from 'lmdb'
import { Secret } from '../base/secret.ts'

/** A row of the export: its key as parts and what it holds. */
export function canonicalLine (key: readonly string[], row: unknown): string {
  return JSON.stringify(inOrder({ key, row }))
}

/** Members by name; an absent one and one without a value are the same. */
function inOrder (value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]))
}

// Not in lmdb's declarations. Its `compareKeys` has another order for characters beyond U+FFFF than its files have.
const { keyValueToBuffer } = lmdb as unknown as { keyValueToBuffer: (key: string[]) => Buffer }

/** In the order in which LMDB keeps such keys, so that equal directories give equal bytes in every store. */
export function inKeyOrder<Item> (items: Iterable<Item>, keyOf: (item: Item) => string[]): Item[] {
  return [...items]
    .map((item) => ({ item, bytes: Buffer.from(keyValueToBuffer(keyOf(item))) }))
    .sort((a, b) => a.bytes.compare(b.bytes))
    .map(({ item }) => item)
}
