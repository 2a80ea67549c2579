import { createCipheriv, createHash, createHmac } from 'node:crypto'
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { openAesField, sealAesField } from '../../src/push/signature/aes-field.ts'
import { readV1Query } from '../../src/push/signature/auth-token-query.ts'
import {
  authTokenWindowMilliseconds, readAuthTokenHeader, signAuthTokenGet, signAuthTokenPost, verifyAuthTokenGet, verifyAuthTokenPost,
} from '../../src/push/signature/auth-token.ts'
import { readBaseV2Stamp, signBaseV2, verifyBaseV2 } from '../../src/push/signature/base-v2.ts'
import { readSignableText } from '../../src/push/signature/canonical-json.ts'
import { verifyKitV2 } from '../../src/push/signature/kit-v2.ts'
import { formatWireTime, parseWireTime, pushVersionOfUtc } from '../../src/push/signature/wire-time.ts'
import { anyJsonObject } from '../support/any-json.ts'
import { readFixture } from '../support/fixture.ts'

const key = 'test-access-key-0001-not-a-real-key'
const keys = [new Secret('another-key'), new Secret(key)]
const day = 86_400_000

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each file has a shape of its own
function readFixtures (pattern: RegExp): any[] {
  return readdirSync(new URL('../fixtures/', import.meta.url)).filter((file) => pattern.test(file)).map((file) => readFixture(file.replace('.json', '')))
}

function queryOf (url: string): string {
  return url.slice(url.indexOf('?') + 1)
}

/** From the bytes to the verdict, as a route goes; the literal reason, or what was verified. */
async function judgeBaseV2 (query: string, body: string, now: number, accessKeys = keys) {
  const reading = readBaseV2Stamp(query, now)
  if (reading.kind === 'refused') return reading.because
  const text = readSignableText(body)
  if (text.kind === 'unreadable') return text.because
  const verification = await verifyBaseV2(reading.stamp, text, accessKeys)
  return verification.kind === 'refused' ? verification.because : verification
}

function judgeGet (query: string, now: number, accessKeys = keys) {
  const reading = readV1Query(query)
  if (reading.kind === 'refused') return reading.because
  const verification = verifyAuthTokenGet(reading.query, accessKeys, now)
  return verification.kind === 'refused' ? verification.because : verification
}

function judgePost (header: string | string[] | undefined, body: string, now: number, accessKeys = keys) {
  const reading = readAuthTokenHeader(header)
  if (reading.kind === 'refused') return reading.because
  const text = readSignableText(body)
  if (text.kind === 'unreadable') return text.because
  const verification = verifyAuthTokenPost(reading.authToken, text, accessKeys, now)
  return verification.kind === 'refused' ? verification.because : verification
}

const nonce = 'Of4lsV7H1qrzVDI52O5CFk2ofPcZRaA6'
const stampTime = 1_735_689_600_000
const body = '{"activity":"newInstance","orderId":"CS1"}'
const signedQuery = (text = body): string => new URLSearchParams(signBaseV2(key, text, nonce, stampTime)).toString()

t.test('every recorded base V2 call verifies, and is what we would sign', async (t) => {
  const fixtures = readFixtures(/^base-v2-/)
  t.equal(fixtures.length, 8)
  for (const { id, request, nowMs, secret, expected, derivation } of fixtures) {
    const accessKeys = [...keys, new Secret(secret.accessKey)]
    const verdict = (query = queryOf(request.url), text = request.rawBody, now = nowMs) => judgeBaseV2(query, text, now, accessKeys)
    t.match(await verdict(), { kind: 'verified', keyIndex: 2, variant: 'canonical' }, id)
    const { timestamp, nonce } = Object.fromEntries(new URLSearchParams(queryOf(request.url))) as Record<string, string>
    t.equal(signBaseV2(secret.accessKey, request.rawBody, nonce ?? '', Number(timestamp)).signature.toLowerCase(), derivation.signature)
    t.equal(queryOf(request.url), new URLSearchParams(signBaseV2(secret.accessKey, request.rawBody, nonce ?? '', Number(timestamp))).toString())

    t.match(await verdict(queryOf(request.url).replace(/signature=\w+/, `signature=${expected.signatureHexLower}`)), { kind: 'verified' }, 'lower case hex')
    t.same(await verdict(undefined, request.rawBody.replace('"testFlag":"1"', '"testFlag":"0"')), request.rawBody.includes('testFlag') ? 'signature-mismatch' : await verdict())
    t.equal(await verdict(undefined, request.rawBody.replace('"activity"', '"activitx"')), 'signature-mismatch', 'body changed')
    t.equal(await verdict(queryOf(request.url).replace('nonce=O', 'nonce=P')), 'signature-mismatch', 'other nonce')
    t.match(await verdict(undefined, undefined, Number(timestamp) + 60_000), { kind: 'verified' }, 'exactly 60 s old')
    t.equal(await verdict(undefined, undefined, Number(timestamp) + 60_001), 'signature-stale')
    t.match(await verdict(undefined, undefined, Number(timestamp) - 60_000), { kind: 'verified' }, 'exactly 60 s ahead')
    t.equal(await verdict(undefined, undefined, Number(timestamp) - 60_001), 'signature-stale')
    t.equal(await judgeBaseV2(queryOf(request.url), request.rawBody, nowMs), 'signature-mismatch', 'other keys only')
  }
})

t.test('T-40: each value of a base V2 stamp stands exactly once, in any spelling; other parameters are ignored', async (t) => {
  const good = signedQuery()
  const values = Object.fromEntries(new URLSearchParams(good)) as Record<'signature' | 'timestamp' | 'nonce', string>
  const judge = (query: string) => judgeBaseV2(query, body, stampTime)
  const accepted = [
    good, `a=1&${good}`, `${good}&a=1&a=2`, `${good}&%=%zz`, `&&${good}&`, good.split('&').reverse().join('&'), `${good}&Nonce=x`, `${good}&nonce%20=x`, `${good}&=x`,
    good.replace('nonce=O', 'nonce=%4f'), good.replace('nonce=', '%6eonce='), good.replace(values.signature, values.signature.toLowerCase()),
  ]
  for (const query of accepted) t.match(await judge(query), { kind: 'verified', variant: 'canonical', keyIndex: 1 }, query)
  for (const name of ['signature', 'timestamp', 'nonce'] as const) {
    t.equal(await judge(good.replace(`${name}=`, 'x=')), 'signature-missing', name)
    t.equal(await judge(good.replace(`${name}=${values[name]}`, `${name}=`)), 'signature-missing', name)
    t.equal(await judge(good.replace(`${name}=${values[name]}`, name)), 'signature-missing', name)
    for (const again of [`${name}=${values[name]}`, `${name}=`, name, `%${name.charCodeAt(0).toString(16)}${name.slice(1)}=x`]) {
      t.equal(await judge(`${good}&${again}`), 'signature-malformed', again)
      t.equal(await judge(`${again}&${good}`), 'signature-malformed', again)
    }
    for (const value of [`${values[name]}+`, `+${values[name]}`, `${values[name]}%20`, `${values[name]}%00`, `${values[name]}%0a`, `${values[name]}%zz`, `%ff${values[name]}`, values[name].replace(/^./, '%2525')]) {
      t.equal(await judge(good.replace(`${name}=${values[name]}`, `${name}=${value}`)), 'signature-malformed', value)
    }
  }
  t.equal(await judge(''), 'signature-missing')
  for (const timestamp of ['1735689600', '01735689600000', '173568960000', '-735689600000', '1.35689600000', '１７３５６８９６０００００']) {
    t.equal(await judge(good.replace(values.timestamp, timestamp)), 'signature-malformed', timestamp)
  }
  for (const nonce of ['a'.repeat(15), 'a'.repeat(65), 'a'.repeat(15) + '_']) t.equal(await judge(good.replace(values.nonce, nonce)), 'signature-malformed', nonce)
})

function shifted (values: { nonce: string, timestamp: string }, digits: number): { nonce: string, timestamp: string } {
  const joined = values.nonce + values.timestamp
  const border = values.nonce.length + digits
  return { nonce: joined.slice(0, border), timestamp: joined.slice(border) }
}

t.test('T-49: the border between nonce and timestamp of a base V2 call can not be moved, on its day or later', async (t) => {
  for (const nonce of ['Of4lsV7H1qrzVDI52O5C173568960000', '1735689600000173568960000017356896']) {
    const stamp = signBaseV2(key, body, nonce, stampTime)
    t.match(await judgeBaseV2(new URLSearchParams(stamp).toString(), body, stampTime), { kind: 'verified' })
    for (let digits = 1; digits <= 12; digits++) {
      for (const moved of [shifted(stamp, digits), shifted(stamp, -digits)]) {
        const query = new URLSearchParams({ ...stamp, ...moved }).toString()
        for (const now of [stampTime, stampTime + day, Number(moved.timestamp), Number(moved.timestamp) * 1000]) t.equal(await judgeBaseV2(query, body, now), 'signature-malformed', query)
      }
    }
  }
})

t.test('of a base V2 call, and of no Kit call, scalars may have been signed as strings', async (t) => {
  const text = '{ "b" : 1.50, "a":true,"n":null,"\\u0063":-0,"d":1e7,"e":"s","f":{"x":1.50,"y":[1, null]},"g":[1.0] , "h":9007199254740993 }'
  const signed = '{"a":"true","b":"1.50","c":"-0","d":"1e7","e":"s","f":{"x":1.5,"y":[1,null]},"g":[1.0],"h":"9007199254740993"}'
  const signable = readSignableText(text)
  if (signable.kind === 'unreadable') throw new Error(signable.because)
  t.equal(signable.textOf('scalars-as-strings'), signed)
  // Strings only: what we sign canonically of it is what the sample signs of the other.
  t.match(await judgeBaseV2(signedQuery(signed), text, stampTime), { kind: 'verified', variant: 'scalars-as-strings' })
  const stamp = { ...signBaseV2(key, text, nonce, stampTime), signature: createHmac('sha256', key).update(key + nonce + stampTime + signed).digest('hex') }
  t.same(await verifyKitV2(stamp, signable, keys), { kind: 'refused', because: 'signature-mismatch' })
  // JSON says what the strings say.
  fc.assert(fc.property(anyJsonObject, (json) => {
    const signable = readSignableText(json)
    if (signable.kind === 'unreadable') return true
    const expected = Object.entries(JSON.parse(json) as object).filter(([, value]) => value !== null)
    const actual = JSON.parse(signable.textOf('scalars-as-strings')) as Record<string, unknown>
    return expected.length === Object.keys(actual).length && expected.every(([name, value]) => {
      const said = actual[name]
      if (typeof value === 'object') return JSON.stringify(said) === JSON.stringify(JSON.parse(JSON.stringify(value))) || JSON.stringify(said).includes('Infinity')
      return typeof value === 'number' ? Object.is(Number(said), value) : said === String(value)
    })
  }))
})

t.test('what we sign as a base V2 call verifies, and changed in any one place it does not, or means the same', async () => {
  const place = fc.nat()
  const character = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 })
  await fc.assert(fc.asyncProperty(anyJsonObject, place, character, async (json, at, character) => {
    const query = signedQuery(json)
    const good = await judgeBaseV2(query, json, stampTime)
    if (typeof good === 'string') return false
    const put = (text: string): string => text.slice(0, at % text.length) + character + text.slice(at % text.length + 1)
    const changedQuery = put(query)
    const another = await judgeBaseV2(changedQuery, json, stampTime)
    const isOtherQuery = typeof another === 'string' || another.signatureDigest === good.signatureDigest
    const changedBody = put(json)
    const other = await judgeBaseV2(query, changedBody, stampTime)
    const before = readSignableText(json)
    const after = readSignableText(changedBody)
    const isSame = before.kind === 'signable' && after.kind === 'signable' && ['canonical', 'raw', 'all-levels-sorted', 'nulls-kept', 'scalars-as-strings'].some((variant) => {
      return after.textOf(variant as 'canonical') === before.textOf('canonical')
    })
    return isOtherQuery && (typeof other === 'string') === !isSame
  }), { numRuns: 400 })
})

t.test('every recorded base V1 call verifies, and is what we would sign', async (t) => {
  const fixtures = readFixtures(/^base-v1-/)
  t.equal(fixtures.length, 7)
  for (const { id, request, secret, derivation } of fixtures) {
    const accessKeys = [...keys, new Secret(secret.accessKey)]
    const query = queryOf(request.url)
    const now = Date.UTC(2025, 0, 1)
    t.match(judgeGet(query, now, accessKeys), { kind: 'verified', keyIndex: 2, variant: 'plus-as-plus', sentAt: now }, id)
    const verified = judgeGet(query, now, accessKeys)
    t.same(typeof verified === 'string' ? verified : Object.fromEntries(verified.parameters), request.params)
    t.equal(signAuthTokenGet(secret.accessKey, request.params), query)

    t.match(judgeGet(query.replaceAll('%20', '+'), now, accessKeys), { kind: 'verified' }, 'blanks as plus signs')
    t.match(judgeGet(query.replace(/authToken=.*/, `authToken=${derivation.authToken}`), now, accessKeys), { kind: 'verified' }, 'the token not encoded')
    t.match(judgeGet(query.replace(/authToken=.*/, `authToken=${derivation.authToken.replaceAll('+', '%20')}`), now, accessKeys), { kind: 'verified' }, 'plus signs that became blanks')
    t.match(judgeGet(query.split('&').reverse().join('&'), now, accessKeys), { kind: 'verified' }, 'another order')
    for (const sign of [1, -1]) {
      t.match(judgeGet(query, now + sign * authTokenWindowMilliseconds, accessKeys), { kind: 'verified' }, 'exactly ten minutes')
      t.equal(judgeGet(query, now + sign * (authTokenWindowMilliseconds + 1), accessKeys), 'signature-stale')
    }
    t.equal(judgeGet(query, now), 'signature-mismatch', 'other keys only')
    t.equal(judgeGet(`${query}&x=`, now, accessKeys), 'signature-mismatch', 'an empty value is signed')
    t.equal(judgeGet(query.replace(/testFlag=1&|&testFlag=1/, ''), now, accessKeys), 'signature-mismatch')
  }
})

const parameters = { activity: 'newInstance', customerName: 'a+b c', timeStamp: '20250101000000000' }
const sentAt = Date.UTC(2025, 0, 1)

t.test('the reading of a plus sign that verified is the one to act on', async (t) => {
  const read = (query: string) => {
    const verdict = judgeGet(query, sentAt)
    return typeof verdict === 'string' ? verdict : [verdict.variant, verdict.parameters.get('customerName')]
  }
  const query = signAuthTokenGet(key, { ...parameters, customerName: 'a+b' })
  t.same(read(query), ['plus-as-plus', 'a+b'])
  t.same(read(query.replace('a%2Bb', 'a+b')), ['plus-as-plus', 'a+b'])
  t.same(read(query.replace('a%2Bb', 'a%20b')), 'signature-mismatch')
  const blank = signAuthTokenGet(key, { ...parameters, customerName: 'a b' })
  t.same(read(blank.replace('a%20b', 'a+b')), ['plus-as-blank', 'a b'])
  t.same(read(blank.replace('a%20b', 'a%2Bb')), 'signature-mismatch')
  t.same(read(signAuthTokenGet(key, parameters).replace('a%2Bb%20c', 'a+b+c')), 'signature-mismatch', 'not both in one query')
})

t.test('T-22: a V1 query is read strictly, and no name stands twice', async (t) => {
  const good = signAuthTokenGet(key, parameters)
  const judge = (query: string) => judgeGet(query, sentAt)
  t.match(judge(good), { kind: 'verified', keyIndex: 1 })
  t.match(judge(`&&${good}&`), { kind: 'verified' })
  for (const again of ['activity=x', 'activity', '%61ctivity=newInstance', 'authToken=', 'timeStamp=20250101000000000', 'a+b=1&a%20b=2']) {
    t.equal(judge(`${good}&${again}`), 'names-repeated', again)
    t.equal(judge(`${again}&${good}`), 'names-repeated', again)
  }
  for (const broken of ['x=%', 'x=%zz', 'x=%ff', '%c3=1', 'x=%ed%a0%80', 'x=\u00e4', 'x=中', 'x= ', 'x=\u0000', 'x=\n', '%u0041=1']) t.equal(judge(`${good}&${broken}`), 'signature-malformed', broken)
  t.equal(judge(''), 'signature-missing')
  t.equal(judge(good.replace(/authToken=.*/, 'authToken=')), 'signature-missing')
  t.equal(judge(signAuthTokenGet(key, { activity: 'x' })), 'signature-missing')
  const times = ['20250101000000', '2025010100000000', '202501010000000000', '20250230000000000', '20250101240000000', '2025-01-01T00:00:0', '２0250101000000000', '1735689600000']
  for (const timeStamp of times) t.equal(judge(signAuthTokenGet(key, { ...parameters, timeStamp })), 'signature-malformed', timeStamp)
})

t.test('a token has one spelling only, so that the replay memory knows it again', async (t) => {
  const good = signAuthTokenGet(key, parameters)
  const token = decodeURIComponent(good.slice(good.indexOf('authToken=') + 10))
  const judge = (text: string) => judgeGet(good.replace(/authToken=.*/, `authToken=${encodeURIComponent(text)}`), sentAt)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const letter = alphabet.indexOf(token[42] ?? '')
  const spellings = [1, 2, 3].map((bits) => `${token.slice(0, 42)}${alphabet[letter + bits]}=`)
  for (const text of spellings) t.same(Buffer.from(text, 'base64'), Buffer.from(token, 'base64'), 'the same bytes')
  for (const text of [...spellings, token.slice(0, -1), `${token}=`, `${token}\n`, token.replace('=', '%3D'), token.toLowerCase() + ' ', 'a'.repeat(44)]) {
    t.equal(judge(text), 'signature-malformed', text)
    t.equal(judgePost(text, '{}', 0), 'signature-malformed', text)
  }
  t.match(judge(token), { kind: 'verified' })
  t.equal(judgePost(undefined, '{}', 0), 'signature-missing')
  t.equal(judgePost('', '{}', 0), 'signature-missing')
  t.equal(judgePost([token, token], '{}', 0), 'signature-malformed')
  t.equal(judgePost(`${token}, ${token}`, '{}', 0), 'signature-malformed')
})

t.test('every recorded Kit V1 call verifies, and is what we would sign', async (t) => {
  const fixtures = readFixtures(/^kit-v1-/)
  t.equal(fixtures.length, 5)
  for (const { id, request, secret, expected, negative } of fixtures) {
    const accessKeys = [...keys, new Secret(secret.accessKey)]
    const now = Date.UTC(2025, 0, 1)
    const judge = (text = request.rawBody, at = now) => judgePost(request.headers.authToken, text, at, accessKeys)
    t.match(judge(), { kind: 'verified', keyIndex: 2, variant: 'blanks-skipped', sentAt: now }, id)
    t.equal(signAuthTokenPost(secret.accessKey, request.rawBody), expected.authToken)
    for (const { why, change } of negative) t.equal(judge(change.rawBody), 'signature-mismatch', why)
    for (const sign of [1, -1]) {
      t.match(judge(undefined, now + sign * authTokenWindowMilliseconds), { kind: 'verified' }, 'exactly ten minutes')
      t.equal(judge(undefined, now + sign * (authTokenWindowMilliseconds + 1)), 'signature-stale')
    }
    t.equal(judgePost(request.headers.authToken, request.rawBody, now), 'signature-mismatch', 'other keys only')
  }
})

const kitTime = '"timeStamp":"20250101080000000"'

t.test('a Kit V1 body is signed by what its members say: numbers as written, containers as text, null and blanks not at all', async (t) => {
  const text = `{ ${kitTime}, "b": 1.50 ,"a":true, "c":-0, "d":null, "e":"", "f":" \\t\\u3000", "g":"\\u00a0", "h":[1, {"x" : "\\u0041"}], "i":"a\\"b\\\\\\u4e2d", "_":1e2, "authToken":"x" }`
  const signed = '_=1e2&a=true&b=1.50&c=-0&g=\u00a0&h=[1,{"x":"A"}]&i=a"b\\中&timeStamp=20250101080000000'
  const token = createHmac('sha256', `${key}20250101080000000`).update(signed).digest('base64')
  t.equal(signAuthTokenPost(key, text), token)
  const verdict = judgePost(token, text, sentAt)
  if (typeof verdict === 'string') throw new Error(verdict)
  t.same(Array.from(verdict.parameters).sort().map((member) => member.join('=')).join('&'), signed, 'and that is all that may be acted on')

  t.equal(judgePost(token, `{${kitTime}}`, sentAt), 'signature-mismatch')
  const repeated = `{"a":1,${kitTime},"a":2}`
  t.equal(judgePost(signAuthTokenPost(key, repeated), repeated, sentAt), 'names-repeated')
  for (const bad of ['', '[]', 'x', '{', '{"a":"\\ud800"}']) t.equal(judgePost(token, bad, sentAt), 'not-json-object', bad)
  t.throws(() => signAuthTokenPost(key, '[]'), TypeError)
  const times = ['20250101080000', '"20250101080000"', '"20250230080000000"', 'true', '[20250101080000000]']
  for (const time of times) t.equal(judgePost(signAuthTokenPost(key, `{"timeStamp":${time}}`), `{"timeStamp":${time}}`, sentAt), 'signature-malformed', time)
  for (const none of ['{}', '{"timeStamp":""}', '{"timeStamp":null}']) t.equal(judgePost(signAuthTokenPost(key, none), none, sentAt), 'signature-missing', none)
  const number = '{"timeStamp":20250101080000000}'
  t.match(judgePost(signAuthTokenPost(key, number), number, sentAt), { kind: 'verified' }, 'beyond 2^53')
  t.equal(judgePost(signAuthTokenPost(key, '{"timeStamp":"20250101000000000"}'), '{"timeStamp":"20250101000000000"}', sentAt), 'signature-stale', 'the Kit says UTC+8')
})

t.test('T-49: no digits of a V1 time can be moved to a neighbour or to the key, on its day or later', async (t) => {
  const timeStamp = '20250101000000000'
  const good = { orderId: 'CS17356896', testFlag: '1', timeStamp, z: '0000000000000' }
  const query = signAuthTokenGet(key, good)
  t.match(judgeGet(query, sentAt), { kind: 'verified' })
  for (let digits = 1; digits <= 12; digits++) {
    const movedParameters = [
      { ...good, testFlag: '1' + timeStamp.slice(0, digits), timeStamp: timeStamp.slice(digits) },
      { ...good, timeStamp: timeStamp.slice(0, -digits), z: timeStamp.slice(-digits) + good.z },
      { ...good, timeStamp: timeStamp + good.z.slice(0, digits), z: good.z.slice(digits) },
      { ...good, timeStamp: timeStamp.slice(digits) + good.z.slice(0, digits), z: good.z.slice(digits) },
    ]
    for (const moved of movedParameters) {
      const { searchParams } = new URL(`https://x/?${query}`)
      for (const [name, value] of Object.entries(moved)) searchParams.set(name, value)
      for (const now of [sentAt, sentAt + day, parseWireTime(moved.timeStamp, 'utc') ?? 0]) t.type(judgeGet(searchParams.toString(), now), 'string', JSON.stringify(moved))
      const header = signAuthTokenPost(key, JSON.stringify({ ...good, timeStamp: '20250101080000000' }))
      for (const now of [sentAt, sentAt + day, parseWireTime(moved.timeStamp, 'utc+8') ?? 0]) t.type(judgePost(header, JSON.stringify(moved), now), 'string', JSON.stringify(moved))
    }
    // The key's own end as the first digits of the time: only texts of 17 digits are times.
    const longer = key + timeStamp.slice(0, digits)
    const short = signAuthTokenGet(longer, { ...good, timeStamp: timeStamp.slice(digits) })
    t.equal(judgeGet(short, sentAt), 'signature-malformed')
    t.equal(judgeGet(query, sentAt, [new Secret(longer)]), 'signature-mismatch')
  }
  for (const later of [day, 365 * day]) t.equal(judgeGet(query, sentAt + later), 'signature-stale')
})

t.test('T-50: a V1 text that could be cut into other parameters is refused, and says at which', async (t) => {
  const verify = (members: Record<string, string>) => {
    const reading = readV1Query(signAuthTokenGet(key, { timeStamp: parameters.timeStamp, ...members }))
    return reading.kind === 'refused' ? reading : verifyAuthTokenGet(reading.query, keys, sentAt)
  }
  for (const value of ['x&flag=1', '&flag=', 'x&y&flag=1&', '&b_=', 'https://x/?y&flag=1', '&flag=&flag=', 'a&A=&z9_=']) {
    t.same(verify({ activity: value }), { kind: 'refused', because: 'signature-ambiguous', member: 'activity' }, value)
    const body = `{${kitTime},"activity":${JSON.stringify(value)}}`
    t.equal(judgePost(signAuthTokenPost(key, body), body, sentAt), 'signature-ambiguous', value)
  }
  for (const name of ['a=b', 'a&b', '', 'a b', '名', '1a', '__proto__=']) t.match(verify({ [name]: 'x' }), { because: 'signature-ambiguous', member: name }, name)
  const nested = `{${kitTime},"a":["x&b=1"]}`
  t.equal(judgePost(signAuthTokenPost(key, nested), nested, sentAt), 'signature-ambiguous')
  // What would stand in another order is no parameter of this text.
  for (const value of ['R&D', 'x&', 'x=1', 'a & b = c', '&=1', '&1a=', 'x&activity=1', '?a=1&b=2', 'x&orderId=1', '&_=', '&Z=']) t.match(verify({ orderId: value }), { kind: 'verified' }, value)
  const forged = signAuthTokenGet('attacker', { ...parameters, activity: 'x&flag=1' })
  t.equal(judgeGet(forged, sentAt), 'signature-mismatch', 'only whoever holds the key is told')
})

/** All sets of parameters, sorted names and all, that the text could have been signed for. */
function allCuts (text: string): Array<Record<string, string>> {
  const parts = text.split('&')
  const cuts: Array<Record<string, string>> = []
  for (let borders = 0; borders < 1 << (parts.length - 1); borders++) {
    const members = parts.reduce<string[]>((done, part, at) => (at === 0 || borders & (1 << (at - 1)) ? [...done, part] : [...done.slice(0, -1), `${done.at(-1)}&${part}`]), [])
    const pairs = members.map((member) => [member.slice(0, member.indexOf('=')), member.slice(member.indexOf('=') + 1)] as const)
    const names = pairs.map(([name]) => name)
    if (members.every((member) => member.includes('=')) && new Set(names).size === names.length && [...names].sort().join('\n') === names.join('\n')) cuts.push(Object.fromEntries(pairs))
  }
  return cuts
}

t.test('T-50: of all the ways to cut one signed V1 text, at most one is accepted', async (t) => {
  const piece = fc.constantFrom('&', '=', 'a', 'b', 'c', 'B', '_', '1', ' ', '&a=', '&b=1', '&c=', '&d=x', '&timeStamp=20250101000000000')
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'B', '_a', 'ab', 'z')
  const value = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''))
  let several = 0
  fc.assert(fc.property(fc.dictionary(name, value, { maxKeys: 4 }), (members) => {
    const signed = { ...members, timeStamp: '20250101000000000' }
    const query = signAuthTokenGet(key, signed)
    const token = query.slice(query.lastIndexOf('authToken='))
    const text = Object.entries(signed).sort(([a], [b]) => (a < b ? -1 : 1)).map((pair) => pair.join('=')).join('&')
    const cuts = allCuts(text)
    if (cuts.length > 1) several += 1
    const accepted = cuts.filter((cut) => {
      const recut = Object.entries(cut).map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
      const isGet = typeof judgeGet(`${recut}&${token}`, sentAt) !== 'string'
      const post = judgePost(decodeURIComponent(token.slice('authToken='.length)), JSON.stringify(cut), sentAt - 8 * 3_600_000)
      return isGet || typeof post !== 'string'
    })
    return accepted.length <= 1
  }), { numRuns: 1500 })
  t.ok(several > 100, `${several} texts had several cuts`)
})

t.test('what we sign as a V1 call verifies, and changed in any one place it does not, or means the same', async () => {
  const members = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.string({ unit: 'grapheme', maxLength: 6 }), { maxKeys: 4 })
  const character = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 })
  fc.assert(fc.property(members, fc.nat(), character, (members, at, character) => {
    const signed = { ...members, timeStamp: parameters.timeStamp }
    const query = signAuthTokenGet(key, signed)
    const good = judgeGet(query, sentAt)
    if (typeof good === 'string') return good === 'signature-ambiguous'
    const text = (verdict: typeof good): string => JSON.stringify(Array.from(verdict.parameters).sort())
    const put = (changed: string): string => changed.slice(0, at % changed.length) + character + changed.slice(at % changed.length + 1)
    const other = judgeGet(put(query), sentAt)
    const isGet = typeof other === 'string' || (text(other) === text(good) && other.signatureDigest === good.signatureDigest)

    const json = JSON.stringify({ ...members, timeStamp: '20250101080000000' })
    const token = signAuthTokenPost(key, json)
    const goodPost = judgePost(token, json, sentAt)
    const otherPost = judgePost(token, put(json), sentAt)
    const isPost = typeof goodPost !== 'string' && (typeof otherPost === 'string' || text(otherPost) === text(goodPost))
    return isGet && isPost && (put(token) === token || typeof judgePost(put(token), json, sentAt) === 'string')
  }), { numRuns: 600 })
})

t.test('no input makes a reader throw, and nothing unsigned passes', async () => {
  const part = fc.oneof(fc.string({ unit: 'binary', maxLength: 5 }), fc.constantFrom('&', '=', '%', '%2', '%41', '+', 'signature=', 'timestamp=1735689600000', 'nonce=', nonce, 'authToken=', 'timeStamp=20250101000000000', `${'A'.repeat(43)}=`, 'a'.repeat(64)))
  const junk = fc.array(part, { maxLength: 10 }).map((parts) => parts.join(''))
  await fc.assert(fc.asyncProperty(junk, junk, fc.oneof(anyJsonObject, junk), async (query, header, json) => {
    const verdicts = [await judgeBaseV2(query, json, stampTime), judgeGet(query, sentAt), judgePost(header, json, sentAt), judgePost(`${'A'.repeat(43)}=`, json, sentAt)]
    return verdicts.every((verdict) => typeof verdict === 'string') && openAesField(query, keys) === undefined && parseWireTime(query, 'utc') === undefined
  }), { numRuns: 2000 })
})

t.test('C-55: 16 MiB cost linear time, whatever they hold', async (t) => {
  const fill = (pattern: string, mebibytes: number): string => pattern.repeat(Math.floor(mebibytes * 1024 * 1024 / pattern.length))
  // A quadratic step would take hours already at a quarter of the size.
  for (const [pattern, mebibytes] of [['&a=', 16], ['&', 4], ['&a', 4], ['a', 4], [' ', 4], ['\\t', 4], ['=', 4], ['\\u0041', 4], ['\u3000', 4]] as const) {
    const json = `{${kitTime},"a":"${fill(pattern, mebibytes)}"}`
    const start = performance.now()
    const verdict = judgePost(signAuthTokenPost(key, json), json, sentAt)
    t.type(verdict, 'object')
    t.ok(performance.now() - start < 10_000, pattern)
  }
  for (const pattern of ['&', '&a', 'nonce&', '%', '+', '%41', '=']) {
    const start = performance.now()
    const query = fill(pattern, 4)
    t.equal(readBaseV2Stamp(query, 0).kind, 'refused')
    t.equal(readV1Query(query).kind, 'refused')
    t.equal(openAesField(query, keys), undefined)
    t.ok(performance.now() - start < 10_000, pattern)
  }
})

t.test('a wire time is a real moment, in seconds or milliseconds, in the zone of its family', async (t) => {
  t.equal(parseWireTime('20250101000000000', 'utc'), sentAt)
  t.equal(parseWireTime('20250101080000000', 'utc+8'), sentAt)
  t.equal(parseWireTime('20250101000000', 'utc'), sentAt)
  t.equal(parseWireTime('20240229235959999', 'utc'), Date.UTC(2024, 1, 29, 23, 59, 59, 999))
  t.equal(formatWireTime(sentAt, 'utc+8'), '20250101080000000')
  t.throws(() => formatWireTime(Date.UTC(10_000, 0), 'utc'), RangeError)
  const wrong = [
    '', '2025', '202501010000000', '2025010100000000', '202501010000000000', '20250230000000', '20250229000000', '20250431000000', '20250001000000', '20251301000000', '20250100000000',
    '20250132000000', '20250101240000', '20250101006000', '20250101000060', '00990101000000', ' 20250101000000', '20250101000000\n', '-0250101000000', '２0250101000000',
  ]
  for (const text of wrong) {
    for (const zone of ['utc', 'utc+8'] as const) t.equal(parseWireTime(text, zone), undefined, text)
    t.equal(pushVersionOfUtc(text), undefined, text)
  }
  t.equal(pushVersionOfUtc('20241231235959999'), '20250101075959999')
  t.equal(pushVersionOfUtc('20241231235959'), undefined, 'a version has 17 digits')
  t.equal(pushVersionOfUtc('99991231155959999'), '99991231235959999')
  t.equal(pushVersionOfUtc('99991231160000000'), undefined)
  fc.assert(fc.property(fc.integer({ min: 0, max: Date.UTC(9998, 0) }), fc.integer({ min: 0, max: Date.UTC(9998, 0) }), (one, two) => {
    const [a = '', b = ''] = [one, two].map((time) => pushVersionOfUtc(formatWireTime(time, 'utc')))
    return parseWireTime(a, 'utc+8') === one && formatWireTime(one, 'utc+8') === a && Math.sign(one - two) === (a < b ? -1 : Number(a > b))
  }))
})

t.test('the recorded AES fields of both types open, and are what we would seal', async (t) => {
  const { cases } = readFixture('appinfo-encrypt-type')
  t.equal(cases.length, 4)
  for (const { accessKey, encryptType, iv, plaintext, value } of cases) {
    t.same(openAesField(value, [...keys, new Secret(accessKey)]), { text: plaintext, encryptType, keyIndex: 2 })
    t.equal(sealAesField(plaintext, accessKey, encryptType, iv), value)
    t.equal(openAesField(value, keys), undefined, 'other keys only')
    t.equal(openAesField(value, []), undefined)
    const blocks = Buffer.from(value.slice(16), 'base64')
    const wrong = [
      '', iv, value.slice(1), `${value}=`, `${value} `, ` ${value}`, value.replace('=', ''), `${value.slice(0, 15)}_${value.slice(16)}`, `${value.slice(0, 15)}é${value.slice(16)}`, value.slice(0, -4),
      iv + blocks.subarray(0, -1).toString('base64'), iv + blocks.subarray(0, 8).toString('base64'), value.replaceAll('+', ' ') + '+', iv + blocks.toString('base64url').padEnd(1, '-') + '-', iv + 'AA==',
    ]
    for (const text of wrong) t.equal(openAesField(text, [new Secret(accessKey)]), undefined, text)
  }
})

t.test('the carry of the key generator is that of signed bytes, for any access key', async (t) => {
  // A slow model of the generator: the same sums, as numbers from -128 to 127, one by one.
  const sha1 = (bytes: number[]): number[] => [...createHash('sha1').update(Buffer.from(bytes.map((byte) => byte & 0xff))).digest()].map((byte) => (byte > 127 ? byte - 256 : byte))
  const slowKey = (accessKey: string): Buffer => {
    const state = sha1([...Buffer.from(accessKey)])
    const first = sha1(state)
    let last = 1
    const next = state.map((byte, at) => {
      const sum = byte + (first[at] ?? 0) + last
      last = Math.floor(sum / 256)
      return sum
    })
    return Buffer.from([...first, ...sha1(next)].map((byte) => byte & 0xff)).subarray(0, 32)
  }
  const iv = 'Uh2977H2620i0K25'
  const seal = (accessKey: string, text: string): string => {
    const cipher = createCipheriv('aes-256-cbc', slowKey(accessKey), Buffer.from(iv))
    return iv + cipher.update(text, 'utf8', 'base64') + cipher.final('base64')
  }
  t.equal(sealAesField('x', key, '1', iv), seal(key, 'x'))
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.constantFrom('1', '2'), (accessKey, encryptType) => {
    const sealed = sealAesField('13800000000', accessKey, encryptType, iv)
    const opened = openAesField(sealed, [new Secret(accessKey)])
    return opened?.text === '13800000000' && opened.encryptType === encryptType && (encryptType === '2' || sealed === seal(accessKey, '13800000000'))
  }), { numRuns: 300 })
})
