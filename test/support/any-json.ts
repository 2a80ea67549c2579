import fc from 'fast-check'

const blank = fc.stringMatching(/^[ \t\n\r]{0,2}$/)

const character = fc.constantFrom(
  'a', 'B', '_', '0', '9', '/', '\\/', '\\u002f', '\\"', '\\\\', '\\n', '\\u000a', '\\b', '\\f', '\\t', '\\r', '\\u000b', '\\u001F', '\\u0000', '\u007f', '\u0085', '\u2028',
  '\\u2029', '中', '\\u4e2d', '\u{1F600}', '\\ud83d\\ude00', '<', '&', "'", '\uffff', '\\u0080', '\ufeff',
)

const string = fc.oneof(
  fc.array(character, { maxLength: 6 }).map((characters) => `"${characters.join('')}"`),
  fc.constantFrom('"__proto__"', '"constructor"', '"1"', '"10"', '"2"', '""', '"a"', '"\\u0061"'),
)

const number = fc.oneof(
  fc.constantFrom('0', '-0', '1', '1.0', '100.00', '1e7', '1E7', '0.0001', '1e6', '9999999.5', '9007199254740993', '0.1', '-0.0', '0e0', '1e-3', '9.99e-4', '1e21', '1.5e300', '5e-1', '-1.5E+2', '1e400', '5e-324'),
  fc.bigInt().map(String),
  // Not the last few denormals: there two digits can be nearer than one, and the slow model doesn't know.
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => value === 0 || Math.abs(value) > 1e-300).map((value) => (Object.is(value, -0) ? '-0.0' : String(value))),
  fc.integer({ min: -99_999, max: 99_999 }).map((value) => String(value / 100)),
)

const { object } = fc.letrec<{ value: string, object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    string, number, fc.constantFrom('true', 'false', 'null'),
    fc.tuple(blank, fc.array(fc.tuple(blank, tie('value'), blank).map((parts) => parts.join('')), { maxLength: 3 }))
      .map(([inside, values]) => (values.length === 0 ? `[${inside}]` : `[${values.join(',')}]`)),
    tie('object'),
  ),
  object: fc.tuple(blank, fc.array(fc.tuple(blank, string, blank, blank, tie('value'), blank), { maxLength: 5 }))
    .map(([inside, members]) => {
      const texts = members.map(([before, name, after, space, value, end]) => `${before}${name}${after}:${space}${value}${end}`)
      return texts.length === 0 ? `{${inside}}` : `{${texts.join(',')}}`
    }),
}))

/** Texts of JSON objects with everything that signers print differently: white space, escapes, number forms, repeated names. */
export const anyJsonObject: fc.Arbitrary<string> = object
