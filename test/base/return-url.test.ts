import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parseReturnTo } from '../../src/base/return-url.ts'

const prefix = '/_gate'
const origins = ['https://own.example', 'http://127.0.0.1:8080']

const corpus = readFileSync(new URL('../corpora/open-redirects.txt', import.meta.url), 'utf8').split('\n')
  .filter((line) => !line.startsWith('# '))
  .map((line) => JSON.parse(`"${line}"`) as string)

/** What is wrong with a destination, `undefined` if a browser that is sent there stays with the application. */
function complaintAbout (destination: string): string | undefined {
  if (!/^\/(?![/\\])/.test(destination)) return 'does not start with one slash'

  if (/[^\x21-\x7e]/.test(destination)) return 'holds what a header cannot'
  for (const origin of origins) {
    for (const page of ['/', '/_gate/callback?code=1', '/a/b/c']) {
      const resolved = new URL(destination, origin + page)
      if (resolved.origin !== origin) return `leads to ${resolved.origin}`
      if (resolved.pathname + resolved.search + resolved.hash !== destination) return 'is read as another address'
      if (resolved.pathname === prefix || resolved.pathname.startsWith(`${prefix}/`)) return 'is a page of the gateway'
    }
  }
  return undefined
}

t.test('T-09: no line of the open-redirect corpus leads away', async (t) => {
  t.ok(corpus.length >= 300, `${corpus.length} lines`)
  const found = corpus.map((wish) => [wish, complaintAbout(parseReturnTo(wish, prefix))]).filter(([, complaint]) => complaint !== undefined)
  t.strictSame(found, [])
  const ways = [(wish: string) => `/${wish}`, (wish: string) => `/a/${wish}`, (wish: string) => `${wish}?a=b`, (wish: string) => wish.toUpperCase(), decodeLoosely]
  for (const change of ways) t.strictSame(corpus.filter((wish) => complaintAbout(parseReturnTo(change(wish), prefix)) !== undefined), [])
})

function decodeLoosely (text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

t.test('the corpus can tell: without the rules it leads away', async (t) => {
  t.ok(corpus.filter((wish) => complaintAbout(wish) !== undefined).length >= 300)
})

t.test('T-09: whatever the wish, the destination is ours or /', async () => {
  const piece = fc.constantFrom(
    '/', '//', '\\', '\t', '\n', '\r', ' ', '.', '..', '%2e', '%2f', '%5c', '%09', ':', '@', '?', '#', ';', '&', '=', 'https:', 'javascript:', 'evil.example', '_gate',
    'a', '\u0000', '\u00a0', '\u3002', '\uff0f', '\ud800', '\u{1f600}', '[', ']', '%', '"', '<', '|', '^', '`', '{', "'", '~', '\u007f', '\u0085', '\ufeff', '\ufffd',
  )
  const wish = fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 8 }).map((pieces) => `/${pieces.join('')}`),
    fc.string({ unit: 'binary' }), fc.webUrl({ withFragments: true, withQueryParameters: true }), fc.webPath().map((path) => `/${path}`),
  )
  fc.assert(fc.property(wish, (wish) => {
    const destination = parseReturnTo(wish, prefix)
    return (destination === wish || destination === '/') && complaintAbout(destination) === undefined
  }), { numRuns: 5_000 })
})

t.test('paths of the application are kept, byte for byte', async (t) => {
  const kept = [
    '/', '/a', '/a/', '/a/b.html', '/a?b=c&d=%E4%B8%AD', '/a#b', '/a?b#c?d', '/%E4%B8%AD', '/a//b', '/a?x=//b', '/a?x=https://b', '/_gatekeeper', '/x/_gate', '/_GATE',
    '/~user/;v=1,2', '/a+b', "/it's", '/a(1)!*$&', '/a:b@c', '/[x]', '/a%20b', '/a?q=%', `/${'a'.repeat(2_047)}`,
  ]
  for (const wish of kept) t.equal(parseReturnTo(wish, prefix), wish, wish)
})

t.test('everything else becomes /', async (t) => {
  const refused = [
    undefined, '', 'a', '?a', '#a', './a', '../a', '//a', '/\\a', '/a\\b', '/a b', '/a\tb', '/a\n', '/中', '/a/../b', '/a/./b', '/a/%2e%2e/b', '/a?b="c"', '/a<b', '/a?b=\\c', '/a#b\\c',
    'https://own.example/a', `/${'a'.repeat(2_048)}`,
  ]
  for (const wish of refused) t.equal(parseReturnTo(wish, prefix), '/', wish ?? 'none')
})

t.test('C-9: the gateway\'s own pages are no destination, whatever the prefix', async (t) => {
  for (const own of ['/_gate', '/x', '/a-b/c']) {
    for (const rest of ['', '/', '/sign-in', '/sign-out?a', '?a', '#a', '//', '/callback?code=1&tenant=2']) t.equal(parseReturnTo(own + rest, own), '/', own + rest)
    for (const rest of ['x', '-', '.', '%2f', ';']) t.equal(parseReturnTo(own + rest, own), own + rest)
  }
})
