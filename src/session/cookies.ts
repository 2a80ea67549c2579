import type { CookieSerializeOptions } from '@fastify/cookie'

/**
 * `__Host-` ties a cookie to exactly this host, to https and to `/`, so that no sibling sub-domain can plant one (RFC 6265bis
 * §4.1.3.2; T-27). Every name of ours starts with `ownCookiePrefix`; the upstream neither sees nor sets such a cookie (C-45).
 */
export const ownCookiePrefix = '__Host-jointgate'

export const cookieNames = {
  session: ownCookiePrefix,
  /** One cookie per pending login flow, so that tabs don't overwrite each other; the flow's short name follows. */
  flowPrefix: `${ownCookiePrefix}-flow-`,
  confirmation: `${ownCookiePrefix}-confirm`,
  /** A sign-in that waits for the choice of a purchase. */
  choice: `${ownCookiePrefix}-choice`,
  /** Counts rounds of sign-in within a minute: the loop guard. */
  starts: `${ownCookiePrefix}-starts`,
  language: `${ownCookiePrefix}-lang`,
} as const

/** Set and deleted with the same attributes, or browsers keep the old one (T-14). */
export const cookieAttributes: CookieSerializeOptions = { path: '/', secure: true, httpOnly: true, sameSite: 'lax' }

export function isOwnCookie (name: string): boolean {
  return name.startsWith(ownCookiePrefix)
}

/** What we call cookies. A client can send names that no answer could take back, since they can't be written into one. */
const ownNameForm = /^__Host-jointgate(?:-[\w-]{1,32})?$/

/** The names of ours in a `Cookie` header, each once. */
export function ownCookieNames (header: string | undefined): string[] {
  if (header === undefined || !header.includes(ownCookiePrefix)) return []
  const names = header.split(';').map((pair) => trimBlanks(pair.split('=', 1)[0] ?? ''))
  return [...new Set(names)].filter((name) => ownNameForm.test(name))
}

/**
 * All values that a `Cookie` header holds under one name, as sent. Two cookies of one name mean that somebody planted one: then
 * neither may be used (C-32), which a parser that keeps the first or the last can't tell.
 */
export function cookieValues (header: string | undefined, name: string): string[] {
  const values: string[] = []
  if (header === undefined || !header.includes(name)) return values
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals > 0 && trimBlanks(pair.slice(0, equals)) === name) values.push(trimBlanks(pair.slice(equals + 1)))
  }
  return values
}

/**
 * Only what RFC 6265bis §5.6 calls white space. `String.trim` drops more (U+00A0): a sibling sub-domain could plant a cookie under
 * a name that is not `__Host-…` to the browser, and is to us (T-27).
 */
function trimBlanks (text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09
