/** A parameter as it stands in the query, nothing decoded. */
export interface RawParameter { readonly name: string, readonly value: string }

/**
 * Splits a query at its `&` and at the first `=` of each part. By hand, because a framework's parser decides alone what a repeated
 * name, a `+` or a broken `%xx` means, and the signature covers what was decoded (T-50).
 *
 * @param query what follows the `?`, without it
 */
export function splitRawQuery (query: string): RawParameter[] {
  return query.split('&').filter((part) => part !== '').map((part) => {
    const border = part.indexOf('=')
    return border === -1 ? { name: part, value: '' } : { name: part.slice(0, border), value: part.slice(border + 1) }
  })
}

/** Decodes `%xx` once; `+` stays. `undefined` if a `%` starts no UTF-8 character. */
export function decodeOnce (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    // The engine only says "malformed", and the caller knows of what.
    return undefined
  }
}
