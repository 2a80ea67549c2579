import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { canonicalJson, readSignableText } from '../../src/push/signature/canonical-json.ts'
import { cutJson } from '../../src/push/signature/cut-json.ts'
import { readFixture } from '../support/fixture.ts'
import { anyJsonObject } from '../support/any-json.ts'
import { slowCanonicalJson } from '../support/slow-canonical-json.ts'

t.test('the canonical text of every recorded V2 call is the recorded one', async (t) => {
  const names = readdirSync(new URL('../fixtures/', import.meta.url)).map((file) => file.replace('.json', ''))
  const recorded = names.filter((name) => /^(kit|base)-v2-/.test(name)).map((name) => readFixture(name))
  t.ok(recorded.length >= 15)
  for (const { id, request, derivation } of recorded) t.equal(canonicalJson(request.rawBody), derivation.canonicalJson, id)
})

t.test('the canonical text is what Jackson 2.17.2 on JDK 17 printed', async (t) => {
  const { cases } = readFixture('jackson-canonical')
  for (const [index, { body, canonicalJson: printed }] of cases.entries()) t.equal(canonicalJson(body), printed, `case ${index}`)
})

t.test('tokens come out as Jackson prints them, where JSON.parse and JSON.stringify would not', async (t) => {
  const cases = [
    // sorting by UTF-16 unit, on the top level only; integer-like names don't jump ahead in nested objects
    ['{"a":1,"_":2,"B":3}', '{"B":3,"_":2,"a":1}'],
    ['{"\\uFFFF":1,"\u{1F600}":2}', '{"\u{1F600}":2,"\uFFFF":1}'],
    ['{"z":{"b":1,"10":2,"9":3}}', '{"z":{"b":1,"10":2,"9":3}}'],
    ['{"__proto__":{"a":1},"constructor":{"__proto__":null}}', '{"__proto__":{"a":1},"constructor":{"__proto__":null}}'],
    // nulls and empties
    ['{"a":null,"b":[null,{"c":null}],"d":"null","e":{},"f":[],"g":""}', '{"b":[null,{"c":null}],"d":"null","e":{},"f":[],"g":""}'],
    ['{"a":":null","b":null}', '{"a":":null"}'],
    // integers
    ['{"a":-0,"b":9007199254740993,"c":123456789012345678901234567890}', '{"a":0,"b":9007199254740993,"c":123456789012345678901234567890}'],
    // doubles
    ['{"a":[1.0,100.00,1e7,0.0001,1e6,9999999.5,12345678.9,1e-3,-0.0,0e5]}', '{"a":[1.0,100.0,1.0E7,1.0E-4,1000000.0,9999999.5,1.23456789E7,0.001,-0.0,0.0]}'],
    ['{"a":[4.9e-324,5E-324,1.7976931348623157e308,2.50,1E+2,1e400,-1e400]}', '{"a":[4.9E-324,4.9E-324,1.7976931348623157E308,2.5,100.0,"Infinity","-Infinity"]}'],
    // strings
    ['{"a":"\\u0001\\u001f\\b\\f\\n\\r\\t\\"\\\\\\/\\u002f"}', '{"a":"\\u0001\\u001F\\b\\f\\n\\r\\t\\"\\\\//"}'],
    ['{"a":"\\u007f\\u2028\\u4e2d\\ud83d\\ude00<>&\'"}', '{"a":"\u007f\u2028\u4e2d\u{1F600}<>&\'"}'],
    // repeated names: first place, last value, also when spelled with an escape
    ['{"b":1,"a":{"x":1,"y":2,"x":[3]},"b":2}', '{"a":{"x":[3],"y":2},"b":2}'],
    ['{"n":{"\\u0061":1,"b":2,"a":3}}', '{"n":{"a":3,"b":2}}'],
    [' \t\r\n{ } ', '{}'],
  ] as const
  for (const [index, [body, expected]] of cases.entries()) t.equal(canonicalJson(body), expected, `case ${index}`)
})

t.test('the other texts that a signer may have signed are the raw body, all levels sorted, and nulls kept', async (t) => {
  const body = '{"b": {"z": 1, "a": [{"y": 1, "x": null}]}, "a": null}'
  const text = readSignableText(body)
  if (text.kind !== 'signable') throw new TypeError('unreadable')
  t.equal(text.textOf('canonical'), '{"b":{"z":1,"a":[{"y":1,"x":null}]}}')
  t.equal(text.textOf('raw'), body)
  t.equal(text.textOf('all-levels-sorted'), '{"b":{"a":[{"x":null,"y":1}],"z":1}}')
  t.equal(text.textOf('nulls-kept'), '{"a":null,"b":{"z":1,"a":[{"y":1,"x":null}]}}')
})

t.test('T-50: what JSON does not allow is unreadable', async (t) => {
  const bodies = [
    '', ' ', 'null', '1', '"a"', '[]', '[{"a":1}]', '{', '}', '{"a"}', '{"a":}', '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', '{"a" 1}', '{a:1}', "{'a':1}",
    '{"a":[1,]}', '{"a":[,1]}', '{"a":[1 2]}', '{"a":[1}', '{"a":{]}', '{"a":1}}', '{"a":1}{"b":2}', '{"a":1} x', '{"a":1}\u0000', '\uFEFF{"a":1}', '{"a":1}\uFEFF',
    '{"a":01}', '{"a":-}', '{"a":+1}', '{"a":.5}', '{"a":1.}', '{"a":1e}', '{"a":1e+}', '{"a":0x1}', '{"a":NaN}', '{"a":-Infinity}', '{"a":1_0}', '{"a":--1}', '{"a":-01}',
    '{"a":True}', '{"a":nul}', '{"a":undefined}', '{"a":truefalse}', '{"a":tru',
    '{"a":"\n"}', '{"a":"\u0000"}', '{"a":"\\x41"}', '{"a":"\\u12"}', '{"a":"\\u{41}"}', '{"a":"\\', '{"a":"\\"', '{"a":"b}', '{"a\\q":1}',
    '{"a":"\\ud800"}', '{"a":"\\udc00\\ud800"}', '{"\\ud83d":1}', '{"a":"\\ud83dx"}',
    '{"a":/**/1}', '{"a":1}//', '\u00a0{"a":1}', '{"a":\u20281}', '{1:2}', '{null:1}',
  ]
  for (const [index, body] of bodies.entries()) t.same(cutJson(body), { kind: 'unreadable', because: 'not-json-object' }, `case ${index}`)
  t.throws(() => canonicalJson('[]'), TypeError)
})

t.test('C-55: depth and number of values are capped, and the cap is found without recursion', async (t) => {
  const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  t.equal(cutJson(nested(64)).kind, 'cut')
  t.same(cutJson(nested(65)), { kind: 'unreadable', because: 'too-complex' })
  t.same(cutJson('{"a":' + '['.repeat(5_000_000)), { kind: 'unreadable', because: 'too-complex' })
  t.same(cutJson('{"a":['.repeat(1_000_000)), { kind: 'unreadable', because: 'too-complex' })
  t.same(cutJson(`{"a":[${'1,'.repeat(500_000)}1]}`), { kind: 'unreadable', because: 'too-complex' })
})

t.test('T-50: a name that comes twice in one object is reported at any level, in any spelling', async (t) => {
  const twice = ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"a":1,"b":2,"a":1}]}', '{"x":{"y":{"__proto__":1,"__proto__":2}}}', '{"":1,"":2}']
  const once = ['{"a":1,"A":1}', '{"x":{"a":1},"a":1}', '{"x":[{"a":1},{"a":1}]}', '{"__proto__":1,"constructor":1,"toString":1}']
  for (const body of twice) t.match(cutJson(body), { kind: 'cut', hasDuplicateNames: true })
  for (const body of once) t.match(cutJson(body), { kind: 'cut', hasDuplicateNames: false })
})

t.test('any JSON object has the canonical text of an independent, slow model, in all variants', async () => {
  fc.assert(fc.property(anyJsonObject, (body) => {
    const text = readSignableText(body)
    return text.kind === 'signable' &&
      text.textOf('canonical') === slowCanonicalJson(body, {}) &&
      text.textOf('nulls-kept') === slowCanonicalJson(body, { keepsNulls: true }) &&
      text.textOf('all-levels-sorted') === slowCanonicalJson(body, { sortsAllLevels: true })
  }), { numRuns: 2000 })
})

t.test('a canonical text is its own canonical text and means what the body means', async (t) => {
  const meaning = (text: string): unknown => {
    const members = Object.entries(JSON.parse(text) as object).filter(([, value]) => value !== null)
    return members.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, JSON.stringify(value)])
  }
  fc.assert(fc.property(anyJsonObject, (body) => {
    const canonical = canonicalJson(body)
    t.equal(canonicalJson(canonical), canonical)
    // JSON can't say what Jackson's quoted "Infinity" stands for.
    if (!canonical.includes('Infinity')) t.same(meaning(canonical), meaning(body))
  }), { numRuns: 500 })
})

t.test('T-50: a text is readable if and only if it is a JSON object in well-formed text, whatever was changed in it', async (t) => {
  const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), removed: fc.nat(2), inserted: fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', ' ', '\n', 'null', '\\u', '\\ud800', '\u00a0') })
  const verdicts = { cut: 0, unreadable: 0 }
  fc.assert(fc.property(anyJsonObject, edit, (body, { at, removed, inserted }) => {
    const start = Math.floor(at * body.length)
    // As it comes from bytes: half a surrogate pair never does.
    const edited = Buffer.from(body.slice(0, start) + inserted + body.slice(start + removed)).toString()
    const { kind } = cutJson(edited)
    verdicts[kind]++
    return (kind === 'cut') === isWellFormedJsonObject(edited)
  }), { numRuns: 2000 })
  t.ok(verdicts.cut > 100 && verdicts.unreadable > 100, 'both verdicts were tried')
})

function isWellFormedJsonObject (text: string): boolean {
  try {
    const isWellFormed = (value: unknown): boolean => {
      if (typeof value === 'string') return !/\p{Surrogate}/u.test(value)
      if (typeof value !== 'object' || value === null) return true
      return Object.entries(value).every(([name, member]) => isWellFormed(name) && isWellFormed(member))
    }
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) && isWellFormed(value)
  } catch {
    return false
  }
}
