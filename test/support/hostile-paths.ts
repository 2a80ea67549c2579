import fc from 'fast-check'

const hex = (text: string): string => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const fullWidth = (text: string): string => String.fromCodePoint((text.codePointAt(0) ?? 0) + 0xfee0)

/** One character of a name, in one of the spellings in which it may come. */
function spelled (character: string): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 24, arbitrary: fc.constant(character) },
    { weight: 3, arbitrary: fc.constant(character.toUpperCase()) },
    { weight: 3, arbitrary: fc.constantFrom(hex(character), hex(character).toUpperCase()) },
    { weight: 1, arbitrary: fc.constantFrom(hex(character).replace('%', '%25'), hex(character).replace('%', '%2525'), hex(character).replace('%', '%252525')) },
    { weight: 1, arbitrary: fc.constantFrom(hex(fullWidth(character)), `${character}%e2%80%8b`, `${character}%c2%ad`, `${character}%cc%88`, `${character}%2509`) },
  )
}

function name (text: string): fc.Arbitrary<string> {
  return fc.tuple(...[...text].map(spelled)).map((characters) => characters.join(''))
}

const word = fc.oneof(
  { weight: 5, arbitrary: name('admin') },
  { weight: 3, arbitrary: fc.constant('public') },
  { weight: 1, arbitrary: name('public') },
  { weight: 1, arbitrary: name('users') },
  { weight: 3, arbitrary: fc.constantFrom('x', 'administer', 'admin-tools', '', '_gate', '%5fgate', '%e6%96%87', '100%25', '100%25zz', '%ff', '.', '..') },
)

const border = fc.oneof(
  { weight: 24, arbitrary: fc.constant('/') },
  { weight: 4, arbitrary: fc.constantFrom(';x=1/', '%252f', '%25252f', '%255c', '%ef%bc%8f', '%ef%bc%bc', '/%252e%252e/', '/%2525252e./', '/%ef%bc%8e%ef%bc%8e/', '/%e2%80%a5/', '/%e2%84%80/') },
  { weight: 1, arbitrary: fc.constantFrom('//', '/./', '/../', '/..;/', '/%2e%2e/', '/.%2e;x/', '/..%3f/', '/..%20/', '%2f', '%5c', '%c0%af', '%25c0%25af', '\\', '\t', '\0', '%00') },
)

const tail = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom('', '/') },
  { weight: 6, arbitrary: fc.constantFrom('.json', '~', '.', '%20', '%2520', ';v=1', '%3bv', '%253b', '?/public/', '?x=%2e%2e/', '%3f', '%3f/public', '::$DATA', '%2500.png', '+', '*', '%') },
  { weight: 1, arbitrary: fc.constantFrom('#/public', '%23', '%00', '\x7f', 'é', '%u0061', ' x') },
)

/** Request targets of people who try to get past a rule about `/admin` or out of `/public`; about half of them any server would take. */
export const hostileTarget: fc.Arbitrary<string> = fc
  .tuple(fc.array(fc.tuple(border, word), { minLength: 1, maxLength: 4 }), tail)
  .map(([parts, end]) => `${parts.flat().join('')}${end}`.replace(/^(?!\/)/, '/'))
