import { METHODS } from 'node:http'
import fc from 'fast-check'
import t from 'tap'
import { cookieNames } from '../../src/session/cookies.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import { rawRequest, sendRaw, type RawAnswer } from '../support/raw-http.ts'
import { bindTenant, signIn, storedSession, tenantId } from '../support/signed-in.ts'

const runs = { numRuns: 150, interruptAfterTimeLimit: 12_000 }

const ownRoutes = [
  '/_gate', '/_gate/', '/_gate/sign-in', '/_gate/callback', `/_gate/callback?code=x&tenant=${tenantId}`, '/_gate/confirm', '/_gate/sign-out',
  '/_gate/signed-out', '/_gate/session', '/_gate/jwks.json', '/_gate/verify', '/_gate/assets/x.css', '/_gate/marketplace', '/_gate/marketplace/produceAPI/v2/authSync', '/_gate/nothing',
]

/** One byte each, as they stand on the wire; no line break, which would begin another header. */
const wireText = (maxLength: number) => fc.array(fc.integer({ min: 1, max: 255 }), { maxLength })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replace(/[\r\n]/g, ''))

const cookieName = fc.oneof(
  fc.constantFrom(...Object.values(cookieNames), '__Host-jointgate-flow-abc', '__Host-jointgate-flow-(x)', '__host-jointgate', '__Host-jointgate ', ' __Host-jointgate',
    '__Host-jointgate-flow-\u00e9', '__Host-jointgate-flow-__proto__', '__proto__', 'constructor', '', '$Version'),
  wireText(12))
const cookieValue = fc.oneof(
  fc.constantFrom('', 'A'.repeat(43), '"quoted"', '%', '%ff', '%00', '%E0%A4%A', '=', '==', 'a=b', '1.1735689600000', 'en', '../../etc/passwd', '[object Object]'),
  fc.stringMatching(/^[\w-]{43}$/), wireText(30))
const cookieHeader = fc.oneof(
  fc.array(fc.tuple(cookieName, fc.constantFrom('=', ' = ', '', '=='), cookieValue).map((parts) => parts.join('')), { maxLength: 8 })
    .chain((pairs) => fc.constantFrom('; ', ';', ', ', ';;').map((separator) => pairs.join(separator))),
  wireText(60))

const target = fc.oneof(
  fc.constantFrom(...ownRoutes, '/', '/reports', '*', 'http://evil.example/', '//evil.example/', 'gateway:80', ''),
  fc.array(fc.oneof(fc.constantFrom(
    '/', '/_gate', '/_gate/sign-in', '/_gate/session', '/_GATE', '/%5fgate', '_gate', 'reports', '.', '..', '%2e', '%2e%2e', '%2f', '%5c', '\\', '//', ';', '?', '#', '%23', '%3f', '%00', '%', '%zz',
    '%ff', '%c0%af', '\u00e9', '?return_to=', '&lang=', '?lang[]=en&lang=x', '&__proto__[x]=1', '?because=', '?code=a&code=b', '&tenant=', ':', '@', '*', 'a'.repeat(300)), wireText(4)), { maxLength: 6 })
    .map((parts) => `/${parts.join('')}`))

const method = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS') }, fc.constantFrom(...METHODS, 'get', 'GETT', 'G@T', ''))
const modeHeader = fc.constantFrom(
  ['accept: text/html', 'sec-fetch-mode: navigate', 'sec-fetch-site: same-origin'], ['accept: application/json'], ['sec-fetch-mode: cors', 'sec-fetch-site: same-origin'], [],
  ['sec-fetch-site: same-origin', 'content-type: application/x-www-form-urlencoded'], ['x-forwarded-uri: /_gate/sign-in', 'x-original-url: /public', 'forwarded: for=127.0.0.1'],
  ['accept-language: zh-CN;q=x, *, en;q=2', 'accept: */*;q=,text/html'], ['upgrade: websocket', 'connection: upgrade'])

t.test('from whatever a browser sends', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await bindTenant(t, gateway)

  /** T-17, T-33: no way in, no fault, always an answer. */
  function judge ({ status, text }: RawAnswer, sentTarget: string): void {
    const complaints = [
      [status === 0, 'no answer'],
      [status >= 500 && status !== 501 && status !== 505, 'a fault'],
      [status >= 200 && status < 300 && !sentTarget.startsWith('/_gate/'), '2xx outside our own pages'],
      [text.includes('\r\n\r\nthe application'), 'the application\'s words'],
      [gateway.upstream.requests.length > 0, 'the upstream was asked'],
    ] as const
    const wrong = complaints.filter(([isSo]) => isSo).map(([, what]) => what).join(', ')
    if (wrong !== '') throw new Error(`${wrong}: ${text.slice(0, 300)}`)
  }

  await t.test('no cookie header opens a path or breaks a page (T-17)', async () => {
    await fc.assert(fc.asyncProperty(cookieHeader, fc.constantFrom('/', '/reports', ...ownRoutes), fc.constantFrom('GET', 'POST'), modeHeader, async (cookie, path, verb, mode) => {
      judge(await sendRaw(gateway.url, rawRequest(verb, path, [`cookie: ${cookie}`, ...mode])), path)
    }), runs)
  })

  await t.test('a cookie whose name begins like ours but cannot be written into an answer breaks no form', async (t) => {
    for (const character of [' ', '\t', '\u00e9', '\u0080', ',', '"', '(', '@']) {
      const cookie = `cookie: __Host-jointgate-flow-a${character}z=1; __Host-jointgate-flow-b=1`
      const started = await sendRaw(gateway.url, rawRequest('POST', '/_gate/sign-in', ['sec-fetch-site: same-origin', cookie]))
      t.match(started, { status: 303, text: /set-cookie: __Host-jointgate-flow-b=;/ }, JSON.stringify(character))
      const ended = await sendRaw(gateway.url, rawRequest('POST', '/_gate/sign-out', ['sec-fetch-site: same-origin', cookie]))
      t.match(ended, { status: 200, text: /set-cookie: __Host-jointgate-flow-b=;/ }, JSON.stringify(character))
    }
  })

  await t.test('no target and no method opens a path or breaks a page (T-05, T-23)', async () => {
    await fc.assert(fc.asyncProperty(method, target, modeHeader, async (verb, path, mode) => {
      judge(await sendRaw(gateway.url, rawRequest(verb, path, mode)), path)
    }), { ...runs, numRuns: 400 })
  })

  await t.test('no form body breaks a page', async () => {
    const body = fc.oneof(fc.constantFrom('return_to=%', 'return_to=%ff&%=%', 'a&b&&=&=', '__proto__=1&constructor=2', 'return_to=/a&return_to=/b', 'anti_forgery=x', '{"return_to":"/"}'), wireText(80))
    const type = fc.oneof(fc.constantFrom('application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; charset=utf-16', 'application/json', 'multipart/form-data; boundary=x', 'text/plain', ''), wireText(20))
    await fc.assert(fc.asyncProperty(fc.constantFrom('/_gate/sign-in', '/_gate/confirm', '/_gate/sign-out'), type, body, cookieHeader, async (path, contentType, text, cookie) => {
      const headers = ['sec-fetch-site: same-origin', 'accept: text/html', `content-type: ${contentType}`, `cookie: ${cookie}`, `content-length: ${text.length}`]
      judge(await sendRaw(gateway.url, rawRequest('POST', path, headers, text)), path)
    }), runs)
  })

  await t.test('too many or too large headers are refused in no time (C-42, T-25)', async (t) => {
    const startedAt = performance.now()
    const cookies = (count: number): string => Array.from({ length: count }, (_, index) => `__Host-jointgate-flow-${index}=${'v'.repeat(43)}`).join('; ')
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', ['accept: text/html', `cookie: ${cookies(200)}`])), { status: 303 })
    t.match(await sendRaw(gateway.url, rawRequest('POST', '/_gate/sign-in', ['sec-fetch-site: same-origin', `cookie: ${cookies(200)}`])), { status: 303 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', [`cookie: ${'a=b; '.repeat(2_500)}`])), { status: 401 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', [`cookie: ${'x'.repeat(65_536)}`])), { status: 431 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', `/${'x'.repeat(65_536)}`)), { status: 431 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', Array.from({ length: 20_000 }, (_, index) => `x-${index}: y`))), { status: 431 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', Array.from({ length: 2_500 }, () => 'a:b'))), { status: 431 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', Array.from({ length: 300 }, () => 'cookie: __Host-jointgate=x'))), { status: 431 })
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', Array.from({ length: 150 }, () => 'cookie: __Host-jointgate=x'))), { status: 401 })
    t.ok(performance.now() - startedAt < 5_000)
    t.same(gateway.upstream.requests, [])
  })

  await t.test('the forms take forms only, and no more than a form\'s size', async (t) => {
    const types: [string, string, number][] = [
      ['application/json', '{"return_to":"/"}', 415],
      ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="return_to"\r\n\r\n/\r\n--x--\r\n', 415],
      ['text/plain', 'return_to=/', 415],
      ['application/xml', '<a/>', 415],
      ['application/x-www-form-urlencoded', `return_to=${'x'.repeat(1_048_576)}`, 413],
      ['application/json', `"${'x'.repeat(1_048_576)}"`, 415],
    ]
    for (const path of ['/_gate/sign-in', '/_gate/confirm', '/_gate/sign-out']) {
      for (const [type, body, status] of types) {
        const headers = ['sec-fetch-site: same-origin', 'accept: text/html', `content-type: ${type}`, `content-length: ${body.length}`]
        const answer = await sendRaw(gateway.url, rawRequest('POST', path, headers, body))
        t.equal(answer.status, status, `${path} ${type} ${body.length}`)
        t.match(answer.text, 'GW_REQUEST_INVALID')
      }
    }
    const browser = await signIn(gateway, server)
    t.equal((await browser.open('/_gate/sign-out', { method: 'POST', headers: { 'content-type': 'application/json' } })).status, 415)
    t.ok(await storedSession(gateway, browser.cookieHeader()), 'what was refused has done nothing')
  })

  await t.test('two cookies of our name: neither is used, the good one stays good by itself (C-32)', async (t) => {
    const browser = await signIn(gateway, server)
    const good = `${cookieNames.session}=${browser.cookies.get(cookieNames.session)}`
    const pairs = [`${good}; ${good}`, `${good}; ${cookieNames.session}=planted`, `${cookieNames.session}=planted; ${good}`, `${good};${cookieNames.session}=`, `a=b; ${good}; c=d; ${cookieNames.session} =x`]
    for (const cookie of pairs) {
      t.match(await sendRaw(gateway.url, rawRequest('GET', '/reports', ['sec-fetch-mode: navigate', `cookie: ${cookie}`])), { status: 303, text: /because=cookie-ambiguous/ })
      t.match(await sendRaw(gateway.url, rawRequest('GET', '/_gate/session', [`cookie: ${cookie}`])), { status: 401 })
    }
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', ['sec-fetch-mode: navigate', `cookie: ${good}`, `cookie: ${cookieNames.session}=planted`])), { status: 303 }, 'nor in two headers')
    t.ok(gateway.logLines.some((line) => line.includes('"because":"cookie-ambiguous"')), 'it is told in the log')
    t.same(gateway.upstream.requests, [])
    t.ok(await storedSession(gateway, good), 'who plants a cookie ends nobody\'s session')
    const many = Array.from({ length: 150 }, (_, index) => `app-${index}=${index}`).join('; ')
    t.match(await sendRaw(gateway.url, rawRequest('GET', '/', [`cookie: ${many}; ${good}`])), { status: 200 })
    t.equal(gateway.upstream.requests.at(-1)?.headers['cookie'], many, 'the application\'s own cookies arrive as they were (T-34)')
  })

  t.same(gateway.logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line)), [], 'nothing of this is a fault of ours')
})
