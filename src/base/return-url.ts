// eslint-disable-next-line no-control-regex -- control characters are what this looks for
const unsafe = /[\\\u0000-\u0020\u007f-\uffff]/u

/**
 * Where the browser goes after sign-in: a path of the application on our own origin, or `/` when the wish is anything else.
 *
 * Browsers drop tabs and line feeds, read `\` as `/`, and take `//host` for another origin, and URL parsers differ in all three
 * (RFC 9700 §4.11; T-09). So the text must be plain before the parser sees it and of the same origin and form after.
 *
 * @param wish as received; `undefined` when there was none
 * @param ownPrefix the gateway's prefix: its own pages are no destination, or sign-in could lead back into sign-in
 */
export function parseReturnTo (wish: string | undefined, ownPrefix: string): string {
  if (wish === undefined || wish.length > 2048 || !wish.startsWith('/') || wish.startsWith('//') || unsafe.test(wish)) return '/'
  if (!URL.canParse('https://own.invalid' + wish)) return '/'
  const parsed = new URL('https://own.invalid' + wish)
  if (parsed.origin !== 'https://own.invalid' || parsed.pathname + parsed.search + parsed.hash !== wish) return '/'
  // A browser resolves `/a/..//evil` to `//evil`: the comparison above has refused it, as it has every other dot segment.
  return parsed.pathname === ownPrefix || parsed.pathname.startsWith(ownPrefix + '/') ? '/' : wish
}
