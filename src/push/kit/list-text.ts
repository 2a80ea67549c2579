import { setImmediate } from 'node:timers/promises'
import { cutJson } from '../signature/cut-json.ts'
import { endOfString } from '../signature/json-tokens.ts'

/** So many elements are read in about a millisecond; after each slice other requests have their turn. */
export const sliceLength = 100

const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Reads the JSON array that a member holds as text, in slices, as strictly as a body is read: no name twice in one object, no half a
 * surrogate pair, not too deep (T-50). It was signed as text, so nobody has looked inside yet.
 *
 * @returns `undefined` if the text is no such array
 */
export async function readListText (text: string): Promise<unknown[] | undefined> {
  const list: unknown[] = []
  for (const slice of slicesOf(text)) {
    if (list.length > 0) await setImmediate()
    const elements = slice === undefined ? undefined : readSlice(slice)
    if (elements === undefined) return undefined
    // One by one: as arguments of one call too many would not fit on the stack.
    for (const element of elements) list.push(element)
  }
  return list
}

/** The texts of so many elements each, without the commas around them; `undefined` where the text stops being an array. */
function * slicesOf (text: string): Generator<string | undefined, void, void> {
  const opening = /^[ \t\n\r]*\[[ \t\n\r]*/.exec(text)?.[0].length
  if (opening === undefined) return yield undefined
  let start = opening
  let depth = 0
  let elements = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const { end } = endOfString(text, at)
      if (end === -1) return yield undefined
      at = end - 1
    } else if (code === openBracket || code === openBrace) {
      depth += 1
    } else if (depth > 0 && (code === closeBracket || code === closeBrace)) {
      depth -= 1
    } else if (depth === 0 && code === comma) {
      elements += 1
      if (elements % sliceLength !== 0) continue
      yield text.slice(start, at)
      start = at + 1
    } else if (code === closeBracket && /^[ \t\n\r]*$/.test(text.slice(at + 1))) {
      // An empty list has no slice, but behind a comma there must be one.
      if (at > opening) yield text.slice(start, at)
      return
    }
  }
  yield undefined
}

function readSlice (slice: string): unknown[] | undefined {
  const text = `{"list":[${slice}]}`
  const cut = cutJson(text)
  if (cut.kind === 'unreadable' || cut.hasDuplicateNames) return undefined
  const { list } = JSON.parse(text) as { list: unknown[] }
  return list.length === 0 ? undefined : list
}
