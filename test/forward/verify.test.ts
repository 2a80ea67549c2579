import fc from 'fast-check'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { accessTokenHeader, identityHeaders } from '../../src/base/header-names.ts'
import type { Browser } from '../support/browser.ts'
import { openTestGateway, type TestGateway } from '../support/build-gateway.ts'
import { forwarded, isNotNamed, original, proxies, type Fields, type Question } from '../support/forward-auth-proxies.ts'
import { droppedNames, emittedNames, spellingsOf } from '../support/header-spellings.ts'
import { sendRaw } from '../support/raw-http.ts'
import { bindTenant, signIn, storedSession, until } from '../support/signed-in.ts'
import { readLog } from '../support/sign-in-steps.ts'

const routes = `
- { path: /public, access: public }
- { path: /secret, access: nobody }
- { path: /admin, roles: admin }
- { path: /api, preflight: true }
- { path: /token, accessToken: true }
- { path: /shop, host: shop.example.com, access: public, upstream: 'http://127.0.0.1:9' }
`

async function openGateway (t: Test, env: Record<string, string> = {}): Promise<{ gateway: TestGateway, person: Browser }> {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_FORWARD_AUTH_CALLERS: '127.0.0.1', JOINTGATE_ROUTES: routes, ...env } })
  const server = await bindTenant(t, gateway)
  const person = await signIn(gateway, server)
  return { gateway, person }
}

interface Told { readonly status: number, readonly body: string, readonly headers: Readonly<Record<string, string | undefined>> }

async function ask (gateway: TestGateway, { method, target, headers }: Question): Promise<Told> {
  const lines = [`${method} ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`), 'connection: close', '', '']
  const { status, text } = await sendRaw(gateway.url, lines.join('\r\n'))
  const [head = '', body = ''] = text.split('\r\n\r\n', 2)
  const fields = head.split('\r\n').slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const)
  return { status, body, headers: Object.fromEntries(fields) }
}

const pageView: Fields = [['accept', 'text/html'], ['sec-fetch-mode', 'navigate'], ['sec-fetch-dest', 'document'], ['sec-fetch-site', 'none']]
const script: Fields = [['accept', '*/*'], ['sec-fetch-mode', 'cors'], ['sec-fetch-dest', 'empty'], ['sec-fetch-site', 'same-origin']]
const names = [...Object.values(identityHeaders), accessTokenHeader]

t.test('each proxy\'s question gets the gateway\'s own answer', async (t) => {
  const { gateway, person } = await openGateway(t)
  const { host } = new URL(gateway.url)
  const cookie: Fields = [['cookie', `theme=dark; ${person.cookieHeader()}; lang=zh`]]
  for (const [name, questionOf] of Object.entries(proxies)) {
    const answerTo = (target: string, headers: Fields, method = 'GET') => ask(gateway, questionOf({ method, target, host, headers }))

    const passed = await answerTo('/a?b=/c', [...pageView, ...cookie])
    t.match(passed, { status: 200, body: '', headers: { 'cache-control': 'no-store', 'x-identity-user': 'lihua', 'x-identity-role': 'user' } }, `${name}: identity`)
    t.equal(passed.headers['cookie'], 'theme=dark; lang=zh', 'T-34')
    t.match(passed.headers['x-identity-assertion'], /^ey/)
    t.match(passed.headers['x-request-id'], /^[\da-f-]{36}$/)
    t.equal(passed.headers[accessTokenHeader], '', 'present, and nothing in it')
    t.match((await answerTo('/token', cookie)).headers[accessTokenHeader], /./)

    const open = await answerTo('/public/a', [...pageView, ...cookie, ['x-identity-user', 'evil']])
    t.match(open, { status: 200, headers: Object.fromEntries(names.map((header) => [header, ''])) }, `${name}: T-08 no identity, every name`)

    t.match(await answerTo('/a?b=1', pageView), { status: 303, headers: { location: `${gateway.url}/_gate/sign-in?return_to=%2Fa%3Fb%3D1`, 'cache-control': 'no-store' } })
    const refused = await answerTo('/a', script)
    t.match(refused, { status: 401, headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' } }, `${name}: C-49`)
    t.match(JSON.parse(refused.body), { reason: 'session-missing', signInUrl: '/_gate/sign-in?return_to=%2Fa' })
    t.equal((await answerTo('/a', pageView, 'POST')).status, 401, 'a form is not sent away')
    t.match(await answerTo('/admin', [...script, ...cookie]), { status: 403, body: /role-missing/ }, `${name}: C-40`)
    t.equal((await answerTo('/secret/x', [...script, ...cookie])).status, 404)
    t.equal((await answerTo('/_gate/session', [...script, ...cookie])).status, 404, 'our own pages are not the application\'s')

    const preflight: Fields = [['origin', 'https://shop.example.com'], ['access-control-request-method', 'PUT']]
    t.equal((await answerTo('/api/x', preflight, 'OPTIONS')).status, 200, `${name}: C-50`)
    t.equal((await answerTo('/a', preflight, 'OPTIONS')).status, 401)
    t.equal((await answerTo('/api/x', preflight, 'PUT')).status, 401)
    t.equal((await answerTo('/a', cookie, 'TRACE')).status, 405, 'C-44')

    const socket: Fields = [['sec-websocket-version', '13'], ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='], ...cookie]
    t.equal((await answerTo('/live', [...socket, ['origin', gateway.url]])).status, 200, `${name}: T-36`)
    t.match(await answerTo('/live', [...socket, ['origin', 'https://evil.example']]), { status: 403, body: /cross-site-request/ })
    t.equal((await answerTo('/live', socket)).status, 403)
  }
})

t.test('T-01 T-18 only a named address may ask, and nothing in a request makes one', async (t) => {
  const { gateway, person } = await openGateway(t, { JOINTGATE_FORWARD_AUTH_CALLERS: '10.0.0.0/8,2001:db8::/32', JOINTGATE_TRUSTED_PROXIES: '127.0.0.1' })
  const { host } = new URL(gateway.url)
  for (const questionOf of Object.values(proxies)) {
    const question = questionOf({ target: '/public', host, headers: [['cookie', person.cookieHeader()]] })
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'client-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip']) {
      const headers = [...question.headers.filter(isNotNamed([name])), [name, name === 'forwarded' ? 'for=10.0.0.1' : '10.0.0.1'] as const]
      t.match(await ask(gateway, { ...question, headers }), { status: 404, body: /GW_REQUEST_NOT_FOUND/ })
    }
  }
  t.match(readLog(gateway, 'forward-auth.stranger')[0], { level: 'warn', peer: /127\.0\.0\.1/ })

  const silent = await openTestGateway(t)
  const question = proxies['nginx']?.({ target: '/public', host: new URL(silent.url).host })
  if (question !== undefined) t.equal((await ask(silent, question)).status, 404)
  t.strictSame(readLog(silent, 'forward-auth.stranger'), [], 'without callers there is no such address')
})

t.test('T-18 a request must be described once and whole, for a host of ours', async (t) => {
  const { gateway, person } = await openGateway(t)
  const { host } = new URL(gateway.url)
  const cookie: Fields = [['cookie', person.cookieHeader()]]
  const asked = { target: '/public', host }
  const statusOf = async (headers: Fields, target = '/_gate/verify') => (await ask(gateway, { method: 'GET', target, headers: [['host', host], ...cookie, ...headers] })).status
  t.equal(await statusOf(original(asked)), 200)
  t.equal(await statusOf(forwarded(asked)), 200)
  t.equal(await statusOf([], '/_gate/verify/public'), 200)

  t.equal(await statusOf([]), 400, 'none')
  for (const whole of [original(asked), forwarded(asked)]) {
    for (const [name, value] of whole.filter(([name]) => name !== 'x-forwarded-for')) {
      t.equal(await statusOf(whole.filter(isNotNamed([name]))), 400, `without ${name}`)
      t.equal(await statusOf([...whole, [name, value]]), 400, `twice ${name}`)
      t.equal(await statusOf([...whole.filter(isNotNamed([name])), [name, '']]), 400, `an empty ${name}`)
    }
    t.equal(await statusOf(whole, '/_gate/verify/public'), 400, 'two descriptions')
    t.equal(await statusOf(whole, '/_gate/verify?x'), 404)
  }
  t.equal(await statusOf([...original(asked), ['x-forwarded-uri', '/public']]), 400, 'a second one, begun')
  t.equal(await statusOf([...forwarded(asked), ['X-Original-Method', 'GET']]), 400)
  t.match(readLog(gateway, 'forward-auth.undescribed').map(({ because }) => because).sort().filter((because, at, all) => because !== all[at - 1]),
    ['description-ambiguous', 'description-incomplete', 'description-missing'])

  for (const spelling of [host.toUpperCase(), host.replace(/:\d+$/, ''), host.replace(/:\d+$/, '.'), host.replace(':', '.:')]) {
    t.equal(await statusOf(original({ ...asked, host: spelling })), 200, spelling)
  }
  for (const foreign of ['evil.example', `${host}, evil.example`, `evil.example, ${host}`, `${host}@evil.example`, `x${host}`, '']) {
    t.equal(await statusOf(original({ ...asked, host: foreign })), 400, foreign)
  }
  t.equal(await statusOf(original({ target: '/shop', host: 'Shop.Example.com.:443' })), 200, 'a host of a route')
  t.equal(await statusOf(original(asked).map(([name, value]) => [name, name === 'x-original-proto' ? 'https' : value] as const)), 400, 'the other scheme')
  t.match((await ask(gateway, { method: 'GET', target: '/_gate/verify', headers: [...pageView, ['host', host], ...original({ target: '/a', host: 'shop.example.com' })] })).headers,
    { location: `${gateway.url}/_gate/sign-in` }, 'sign-in can\'t lead back to another host')
})

t.test('T-03 T-05 the described path is judged like every path, and ours is one in one spelling only', async (t) => {
  const { gateway, person } = await openGateway(t)
  const { host } = new URL(gateway.url)
  const cookie: Fields = [['cookie', person.cookieHeader()]]
  const confusing = [
    '/public/../a', '/public/%2e%2e/a', '/public//a', '//public', '/public%2fa', '/public\\a', '/public%5ca', '/public#/a', '/public%23', '/public/..;/a', '/public%00', '/public/%zz',
    '/%5fgate/verify', 'http://evil.example/public', '*', 'public', '/public/é', '/public/%c0%af',
  ]
  for (const [name, questionOf] of Object.entries(proxies)) {
    for (const target of confusing) {
      if (name === 'envoy' && !target.startsWith('/')) continue
      const { status } = await ask(gateway, questionOf({ target, host, headers: cookie }))
      t.ok(status >= 400 && status < 500, `${name} ${target}: ${status}`)
    }
  }
  // Opened by no spelling; the forwarder's own rule, asked the same way.
  for (const target of ['/public%25/a', '/public;x/a', '/PUBLIC', '/publicity', '/%70ublic']) {
    const direct = await request(`${gateway.url}${target}`, { headers: { 'sec-fetch-mode': 'cors' } })
    for (const [name, questionOf] of Object.entries(proxies)) {
      t.equal((await ask(gateway, questionOf({ target, host, headers: script }))).status, direct.statusCode, `${name} ${target}`)
    }
    await direct.body.dump()
  }
  for (const target of ['/_gate/%76erify', '/_gate/verif%79', '/_gate/verify%2Fpublic', '/_gate/verify;x', '/_gate//verify', '/_gate/./verify', '/_gate/Verify', '/_gate/verify/']) {
    const { status } = await ask(gateway, { method: 'GET', target, headers: [['host', host], ...cookie, ...original({ target: '/public', host })] })
    t.ok(status >= 400, `${target}: ${status}`)
  }
})

t.test('T-01 T-17 nothing that a client sends through a proxy opens a protected path to a stranger', async (t) => {
  const { gateway } = await openGateway(t)
  const { host } = new URL(gateway.url)
  const described = ['x-original-uri', 'x-original-url', 'x-original-method', 'x-original-host', 'x-original-proto', 'x-rewrite-url', 'x-auth-request-redirect',
    'x-forwarded-uri', 'x-forwarded-method', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-path', 'x-http-method-override', 'host', 'upgrade', 'origin',
    'access-control-request-method', 'sec-websocket-version', 'sec-fetch-mode', 'accept', 'user-agent', 'connection', 'cookie', 'authorization']
  const name = fc.constantFrom(...described, ...[...emittedNames, ...droppedNames, ...described].flatMap(spellingsOf))
  const value = fc.constantFrom('/public', '/public/a', 'GET', 'OPTIONS', host, 'shop.example.com', 'http', 'https', gateway.url, '13', 'websocket', 'x-original-uri, cookie',
    '__Host-jointgate=x', '127.0.0.1', 'for=127.0.0.1;host=x', 'kube-probe/1.0', 'navigate', 'text/html', '')
  const target = fc.constantFrom('/a', '/', '/api/x', '/admin', '/a?/public', '/a?x-original-uri=/public', '/public%25', '/token', '/_gate/verify', '/a?refused')
  const seen = new Map<number, number>()
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(...Object.entries(proxies)), fc.array(fc.tuple(name, value), { maxLength: 6 }), target, fc.constantFrom('GET', 'POST', 'HEAD'),
    async ([proxy, questionOf], headers, path, method) => {
      const { status } = await ask(gateway, questionOf({ method, target: path, host, headers }))
      seen.set(status, (seen.get(status) ?? 0) + 1)
      if (status < 300) throw new Error(`${proxy}: ${status}`)
    },
  ), { numRuns: 600 })
  t.ok((seen.get(401) ?? 0) > 100, 'most were judged, not only refused as malformed')
  t.notOk(seen.has(500))
})

t.test('T-17 a store that is down lets nobody in; a request that was turned away never looks done', async (t) => {
  const { gateway, person } = await openGateway(t)
  const { host } = new URL(gateway.url)
  const headers: Fields = [...script, ['host', host], ['cookie', person.cookieHeader()], ...original({ target: '/a', host, method: 'POST' })]
  const again = await ask(gateway, { method: 'GET', target: '/_gate/verify?refused', headers })
  t.match(again, { status: 503, headers: { 'retry-after': /^\d+$/ }, body: /GW_REQUEST_NOT_FORWARDED/ })
  for (const name of names) t.equal(again.headers[name], undefined)
  t.equal((await ask(gateway, { method: 'GET', target: '/_gate/verify?refused', headers: headers.filter(isNotNamed(['cookie'])) })).status, 401)

  const lines = [...headers, ['content-length', '3']].map(([name, value]) => `${name}: ${value}`)
  const { status } = await sendRaw(gateway.url, ['GET /_gate/verify HTTP/1.1', ...lines, '', ''].join('\r\n'))
  t.equal(status, 200, 'T-24 and the connection is closed: a body that is announced and kept back swallows no other question')

  await gateway.storage.close()
  for (const questionOf of Object.values(proxies)) {
    const answer = await ask(gateway, questionOf({ target: '/a', host, headers: [...script, ['cookie', person.cookieHeader()]] }))
    t.match(answer, { status: 503, headers: { 'retry-after': /^\d+$/, 'cache-control': 'no-store' } })
  }
})

t.test('a question is a sign of life, and an ended session is refused at the next one', async (t) => {
  const { gateway, person } = await openGateway(t, { JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '60' })
  const { host } = new URL(gateway.url)
  const question = original({ target: '/a', host })
  const headers: Fields = [...script, ['host', host], ['cookie', person.cookieHeader()], ...question]
  const statusNow = async () => (await ask(gateway, { method: 'GET', target: '/_gate/verify', headers })).status
  for (let times = 0; times < 4; times++) {
    gateway.clock.advance(50_000)
    t.equal(await statusNow(), 200)
    await until(async () => (await storedSession(gateway, person.cookieHeader()))?.lastSeenAt === gateway.clock.now())
  }
  await person.submit('/_gate/sign-out')
  t.equal(await statusNow(), 401)
})
