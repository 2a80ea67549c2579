import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import fastify from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { codeOf, faultAdvice, faults } from '../../src/base/coded-errors.ts'
import { hmacSha256, isEqualInConstantTime, sha256 } from '../../src/base/digest.ts'
import { foldHeaderName, hopByHopHeaders, identityHeaders } from '../../src/base/header-names.ts'
import { isLoopbackHost } from '../../src/base/loopback-host.ts'
import { createRandomId, createSupportCode } from '../../src/base/random-id.ts'
import { isCrossSite, isNavigation, isSameOrigin } from '../../src/base/request-kind.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { Secret } from '../../src/base/secret.ts'

const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const anyPlain = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'grapheme' }))

t.test('what a sealed box seals it opens again in the same context', async () => {
  fc.assert(fc.property(anyKey, anyPlain, fc.string(), (key, plain, context) => {
    const opened = new SealedBox([key]).open(new SealedBox([key]).seal(plain, context), context)
    return opened?.equals(Buffer.from(plain as string)) === true
  }))
})

t.test('any flipped bit, any cut and any addition is refused', async () => {
  const box = new SealedBox([randomBytes(32)])
  fc.assert(fc.property(anyPlain, fc.nat(), fc.integer({ min: 0, max: 7 }), (plain, at, bit) => {
    const sealed = box.seal(plain, 'context')
    const flipped = Buffer.from(sealed)
    const index = at % sealed.length
    flipped[index] = (flipped[index] ?? 0) ^ (1 << bit)
    return [flipped, sealed.subarray(0, index), sealed.subarray(1), Buffer.concat([sealed, Buffer.of(0)])]
      .every((bytes) => box.open(bytes, 'context') === undefined)
  }), { numRuns: 500 })
})

t.test('each single bit of a sealed value counts', async (t) => {
  const box = new SealedBox([randomBytes(32)])
  const sealed = box.seal('plain', 'context')
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = Buffer.from(sealed)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (box.open(flipped, 'context') !== undefined) t.fail(`bit ${bit}`)
  }
  t.equal(box.open(sealed, 'context')?.toString(), 'plain')
})

t.test('another context or another key does not open it, and no bytes make it throw', async () => {
  fc.assert(fc.property(anyKey, anyKey, fc.string(), fc.string(), (key, otherKey, context, otherContext) => {
    fc.pre(!key.equals(otherKey) && context !== otherContext)
    const sealed = new SealedBox([key]).seal('plain', context)
    return new SealedBox([key]).open(sealed, otherContext) === undefined && new SealedBox([otherKey]).open(sealed, context) === undefined
  }))
  const box = new SealedBox([randomBytes(32)])
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) =>
    [bytes, Buffer.concat([Buffer.of(1), bytes])].every((each) => box.open(each, '') === undefined)))
})

t.test('the first key of a ring seals, all open, in any order', async (t) => {
  const [old, young] = [randomBytes(32), randomBytes(32)]
  const before = new SealedBox([old]).seal('plain', 'c')
  const ring = new SealedBox([young, old])
  t.equal(ring.open(before, 'c')?.toString(), 'plain')
  const after = ring.seal('plain', 'c')
  t.equal(new SealedBox([young]).open(after, 'c')?.toString(), 'plain')
  t.equal(new SealedBox([old]).open(after, 'c'), undefined)
})

t.test('the same value is never sealed the same way twice, and a part of a larger buffer opens too', async (t) => {
  const box = new SealedBox([randomBytes(32)])
  t.equal(new Set(Array.from({ length: 2_000 }, () => box.seal('plain', 'c').toString('hex'))).size, 2_000)
  const sealed = box.seal('plain', 'c')
  t.equal(box.open(Buffer.concat([Buffer.alloc(7), sealed, Buffer.alloc(7)]).subarray(7, 7 + sealed.length), 'c')?.toString(), 'plain')
})

t.test('a sealed box without a key, or with one of another length, is not made', async (t) => {
  for (const lengths of [[], [31], [32, 33], [0]]) t.throws(() => new SealedBox(lengths.map((length) => Buffer.alloc(length))), TypeError)
})

t.test('a secret does not print, whichever way it is asked', async (t) => {
  const secret = new Secret('CANARY')
  // As somebody would write it by mistake who has turned the type checker's warning off.
  const text = secret as unknown as string
  const lines: string[] = []
  const stream = new Writable({
    write (chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  const { log } = fastify({ logger: { stream, level: 'trace' } })
  log.info({ secret, nested: { list: [secret] }, err: Object.assign(new Error('x'), { secret }) }, 'a line with %s and %o and %j', secret, secret, secret)
  log.info(secret)
  const printed = [
    ...lines, `${text}`, 'a' + text, String(secret), JSON.stringify({ secret }), inspect(secret, { showHidden: true, depth: 9 }), inspect({ a: [secret] }, { customInspect: false }),
    format('%s %o %O %j %d', secret, secret, secret, secret, secret), Object.keys(secret).join(), JSON.stringify(Object.entries(secret)),
    JSON.stringify({ ...secret }), inspect(new Map([[secret, secret]])), new Error('x', { cause: secret }).stack ?? '', inspect(structuredClone({ ...secret })),
  ]
  t.ok(lines.length >= 2)
  for (const each of printed) t.notMatch(each, 'CANARY')
  t.equal(secret.reveal(), 'CANARY')
  t.equal(`${text}`, '[secret]')
})

t.test('T-06: names that CGI, WSGI or PHP take for one header fold to one', async (t) => {
  const spellings = ['x-identity-user', 'X-Identity-User', 'x_identity_user', 'X-IDENTITY_USER', 'x.identity.user', 'x identity user', 'x!identity~user', 'x-identity*user']
  for (const spelling of spellings) t.equal(foldHeaderName(spelling), 'x-identity-user', spelling)
  for (const other of ['xidentityuser', 'x--identity-user', 'x-identity-users', 'x-identity-us\u0435r']) t.not(foldHeaderName(other), 'x-identity-user', other)
  for (const name of [...Object.values(identityHeaders), ...hopByHopHeaders]) t.equal(foldHeaderName(name), name, 'ours are their own fold')
  // What a server of the CGI family makes of a name (RFC 3875 §4.1.18), with every other sign as "_", as PHP has it.
  const cgiName = (name: string) => name.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  const anyName = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}$/)
  const isOneHeader = (a: string, b: string, fold: (name: string) => string) => fold(a) === fold(b)
  fc.assert(fc.property(anyName, anyName, (a, b) => isOneHeader(a, b, cgiName) === isOneHeader(a, b, foldHeaderName)), { numRuns: 1_000 })
  fc.assert(fc.property(anyName, (name) =>
    [foldHeaderName(name), name.replaceAll('-', '_')].every((each) => foldHeaderName(each) === foldHeaderName(name))))
})

t.test('C-49: who looks at the answer, by Fetch Metadata, then by what is accepted', async (t) => {
  const table: Array<[headers: IncomingHttpHeaders, isNavigation: boolean]> = [
    [{ 'sec-fetch-mode': 'navigate' }, true],
    [{ 'sec-fetch-mode': 'navigate', accept: '*/*' }, true],
    [{ 'sec-fetch-mode': 'navigate', 'x-requested-with': 'XMLHttpRequest' }, true],
    [{ 'sec-fetch-mode': 'cors', accept: 'text/html' }, false],
    [{ 'sec-fetch-mode': 'same-origin', accept: 'text/html' }, false],
    [{ 'sec-fetch-mode': 'no-cors', accept: 'text/html' }, false],
    [{ 'sec-fetch-mode': 'websocket' }, false],
    [{ 'sec-fetch-mode': '', accept: 'text/html' }, false],
    [{ accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, true],
    [{ accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' }, false],
    [{ accept: 'application/json' }, false],
    [{ accept: '*/*' }, false],
    [{}, false],
  ]
  for (const [headers, expected] of table) t.equal(isNavigation(headers), expected, JSON.stringify(headers))
})

t.test('C-51: a request is of our own origin only if the browser says so', async (t) => {
  const publicUrl = new URL('https://own.example/')
  const table: Array<[headers: IncomingHttpHeaders, isSameOrigin: boolean]> = [
    [{ 'sec-fetch-site': 'same-origin' }, true],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, true],
    [{ 'sec-fetch-site': 'same-site', origin: 'https://own.example' }, false],
    [{ 'sec-fetch-site': 'cross-site', origin: 'https://own.example' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ 'sec-fetch-site': '' }, false],
    [{ origin: 'https://own.example' }, true],
    [{ origin: 'https://own.example:443' }, false],
    [{ origin: 'http://own.example' }, false],
    [{ origin: 'https://own.example:8443' }, false],
    [{ origin: 'https://own.example.evil.example' }, false],
    [{ origin: 'https://OWN.example' }, false],
    [{ origin: 'null' }, false],
    [{ origin: '' }, false],
    [{ referer: 'https://own.example/' }, false],
    [{}, false],
  ]
  for (const [headers, expected] of table) t.equal(isSameOrigin(headers, publicUrl), expected, JSON.stringify(headers))
})

t.test('sent here by another site: only where the browser says so', async (t) => {
  for (const site of ['cross-site', 'same-site']) t.equal(isCrossSite({ 'sec-fetch-site': site }), true, site)
  for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, {}]) t.equal(isCrossSite(headers), false)
})

t.test('ids hold 256 bits, support codes can be read aloud, neither comes twice', async (t) => {
  const ids = Array.from({ length: 1_000 }, createRandomId)
  const codes = Array.from({ length: 1_000 }, createSupportCode)
  t.ok(ids.every((id) => /^[\w-]{43}$/.test(id) && Buffer.from(id, 'base64url').length === 32))
  t.ok(codes.every((code) => /^[0-9BCDFGHJKMNPQRSTVWXYZ]{4}-[0-9BCDFGHJKMNPQRSTVWXYZ]{4}$/.test(code)), codes[0] ?? '')
  t.equal(new Set(ids).size, 1_000)
  t.equal(new Set(codes).size, 1_000)
  t.equal(new Set(codes.join('').replaceAll('-', '')).size, 30, 'every letter of the alphabet comes')
})

t.test('digests are those of the standards', async (t) => {
  // FIPS 180-4 and RFC 4231 §4.3.
  t.equal(Buffer.from(sha256('abc'), 'base64url').toString('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  t.equal(hmacSha256('Jefe', 'what do ya want ', 'for nothing?').toString('hex'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) =>
    isEqualInConstantTime(a, b) === Buffer.from(a).equals(Buffer.from(b)) && isEqualInConstantTime(a, a)))
})

t.test('every fault has its own stable code, a status and advice', async (t) => {
  const codes = Object.values(faults).map((Fault) => codeOf(new Fault()))
  t.equal(new Set(codes).size, codes.length)
  for (const code of codes) t.match(code, /^GW_[A-Z]+(?:_[A-Z]+)*$/)
  t.same(Object.keys(faultAdvice).sort(), Object.keys(faults).sort())
  t.equal(new faults.StorageUnavailable().statusCode, 503)
  for (const other of [undefined, null, 'GW_INTERNAL', 5, {}, { code: 5 }, new Error('x')]) t.equal(codeOf(other), undefined)
})

t.test('a loopback host is one by its text, with and without brackets; no name that only begins like one', async (t) => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.9', '::1', '[::1]']) t.ok(isLoopbackHost(host), host)
  for (const host of ['127.example.com', '127.0.0.256', '127.1', 'localhost.example.com', '::2', '[::1', '10.0.0.1', '']) t.notOk(isLoopbackHost(host), host)
})
