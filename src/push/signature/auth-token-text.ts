/** Names and values as signed: decoded, nothing escaped. */
export type Parameters = ReadonlyMap<string, string>

/** What `StringUtils.isBlank` of the sample calls blank: Java's white space, to which the no-break spaces don't belong. */
// eslint-disable-next-line no-control-regex -- Java counts these four control characters in
export const blank = /^[\t-\r\x1c-\x20\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000]*$/

/** V1's signed text: `name=value` in ascending order of the names' UTF-16 units, joined by `&` (sync.md §3.1). */
export function joinParameters (parameters: Parameters): string {
  return Array.from(parameters).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`).join('&')
}

/**
 * The signed text escapes nothing, so a value that contains `&name=` reads as two parameters, and two parameters as one value. Of
 * all the sets that have one text at most one has no such value, and only that one may be taken (T-49, T-50).
 *
 * A name inside a value that sorts before the value's own can't have been a parameter there: the text would run in another order.
 * What follows is unique all the same: of two sets let the first difference be a value that one ends and the other goes on with,
 * then the other holds the first one's next name, which sorts behind.
 *
 * @returns the name of the first parameter that could be cut otherwise
 */
export function ambiguousName (parameters: Parameters): string | undefined {
  for (const [name, value] of parameters) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
    for (const [, inside = ''] of value.matchAll(/&([A-Za-z_][A-Za-z0-9_]*)=/g)) {
      if (inside > name) return name
    }
  }
  return undefined
}

/** 32 bytes in their one spelling: the bits left over in the last letter would make four, and each a new message for the replay memory. */
export function isAuthToken (text: string): boolean {
  return /^[A-Za-z0-9+/]{43}=$/.test(text) && Buffer.from(text, 'base64').toString('base64') === text
}
