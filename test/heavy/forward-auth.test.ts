import t, { type Test } from 'tap'
import { request } from 'undici'
import { accessTokenHeader, identityHeaders } from '../../src/base/header-names.ts'
import { judgeTarget, pathOf } from '../../src/forward/canonical-path.ts'
import { Browser } from '../support/browser.ts'
import { freePort, openTestGateway, type TestGateway } from '../support/build-gateway.ts'
import { spellingsOf } from '../support/header-spellings.ts'
import { sendRaw } from '../support/raw-http.ts'
import { openReverseProxy, type ProxyName } from '../support/reverse-proxies.ts'
import { bindTenant, comeBack, lihua, storedSession } from '../support/signed-in.ts'
import { dialWebSocket, openLiveUpstream } from '../support/web-socket.ts'

/* The real proxies of Debian with the configurations of docs/forward-auth, in front of a real gateway and an application that records. */

const routes = `
- { path: /public, access: public }
- { path: /secret, access: nobody }
- { path: /admin, roles: admin }
- { path: /token, accessToken: true }
`
const identityNames = [...Object.values(identityHeaders), accessTokenHeader]
const script = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' }

interface Seen { readonly method: string, readonly target: string, readonly rawHeaders: readonly string[], body: string }

interface House {
  readonly url: string
  readonly gateway: TestGateway
  readonly seen: Seen[]
  /** Signed in through the proxy. */
  readonly person: Browser
  signIn (): Promise<Browser>
}

async function openHouse (t: Test, name: ProxyName): Promise<House> {
  const upstream = await openLiveUpstream(t)
  const seen: Seen[] = []
  upstream.answer = (message, response) => {
    const entry = { method: message.method ?? '', target: message.url ?? '', rawHeaders: message.rawHeaders, body: '' }
    seen.push(entry)
    message.on('data', (chunk: Buffer) => { entry.body += chunk.toString('latin1') }).on('end', () => response.end('the application'))
  }
  const [port, gatewayPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const asks = !name.endsWith(' in front')
  const gateway = await openTestGateway(t, {
    port: gatewayPort,
    upstream,
    env: {
      JOINTGATE_PUBLIC_URL: url, JOINTGATE_TRUSTED_PROXIES: '127.0.0.1', JOINTGATE_ROUTES: routes, ...(asks ? { JOINTGATE_FORWARD_AUTH_CALLERS: '127.0.0.1' } : {}),
    },
  })
  const server = await bindTenant(t, gateway)
  await openReverseProxy(t, name, { port, gateway: `127.0.0.1:${gatewayPort}`, application: new URL(upstream.url).host })
  const signIn = async (): Promise<Browser> => {
    const browser = new Browser(url)
    const answer = await comeBack(browser, server.issueCode(lihua), '/orders?x=%20')
    if (answer.status !== 303 || answer.location !== '/orders?x=%20') throw new Error(`not signed in: ${answer.status} ${answer.body}`)
    return browser
  }
  return { url, gateway, seen, person: await signIn(), signIn }
}

/** By the name that applications which fold names would see. */
function valuesOf ({ rawHeaders }: Seen, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase().replace(/[^a-z0-9]/g, '-') === name)
}

function ask (house: House, target: string, { method = 'GET', headers = [], body = '', cookie = house.person.cookieHeader() }: {
  method?: string, headers?: readonly string[], body?: string, cookie?: string
} = {}) {
  return sendRaw(house.url, [
    `${method} ${target} HTTP/1.1`, `host: ${new URL(house.url).host}`, 'connection: close', ...headers,
    ...(cookie === '' ? [] : [`cookie: ${cookie}`]), ...(body === '' ? [] : [`content-length: ${body.length}`]), '', body,
  ].join('\r\n'), 10_000)
}

async function signsIn (t: Test, { url, person, seen }: House): Promise<void> {
  const stranger = new Browser(url)
  const sent = await stranger.open('/orders?x=%20')
  t.equal(sent.status, 303)
  t.match(new URL(sent.location, url), { origin: url, pathname: '/_gate/sign-in', search: '?return_to=%2Forders%3Fx%3D%2520' })
  t.match(await stranger.open(sent.location), { status: 200, headers: { 'content-type': /text\/html/ } })
  t.match(await stranger.fetch('/orders'), { status: 401, headers: { 'content-type': /problem\+json/, 'cache-control': 'no-store' }, body: /session-missing/ }, 'C-49')
  const form = await stranger.submit('/orders', { a: '1' })
  t.match(form, { status: 401, headers: { 'content-type': /text\/html/ } }, 'a form is not sent away')
  t.strictSame(seen, [], 'T-33')

  const answer = await person.open('/orders?x=%20', { headers: { cookie: `theme=dark; __Host-jointgate-lang=en; ${person.cookieHeader()}; lang=zh; __Host-jointgate-x=1` } })
  t.match(answer, { status: 200, body: 'the application' })
  for (const name of [...identityNames, 'cookie']) t.equal(answer.headers[name], undefined, `the browser is not told ${name}`)
  const got = seen.pop()
  if (got === undefined) {
    t.fail('the application got nothing')
    return
  }
  t.match(got, { method: 'GET', target: '/orders?x=%20' })
  t.strictSame([valuesOf(got, 'x-identity-user'), valuesOf(got, 'x-identity-role'), valuesOf(got, 'cookie')], [['lihua'], ['user'], ['theme=dark; lang=zh']], 'T-34')
  t.match(valuesOf(got, 'x-identity-assertion'), [/^ey/])
  t.match(valuesOf(got, 'x-request-id'), [/^[\da-f-]{36}$/])
  t.strictSame(valuesOf(got, 'x-forwarded-for').concat(valuesOf(got, 'x-forwarded-proto')), ['127.0.0.1', 'http'])

  const posted = await person.submit('/orders', { a: '1' })
  t.equal(posted.status, 200)
  t.match(seen.pop(), { method: 'POST', body: 'a=1' })
}

async function obeysRoutes (t: Test, house: House): Promise<void> {
  const { person, seen } = house
  t.match(await person.fetch('/admin'), { status: 403, body: /role-missing/ }, 'C-40')
  t.equal((await person.fetch('/secret')).status, 404)
  t.equal((await person.open('/secret')).status, 404)
  t.strictSame(seen, [])
  t.equal((await person.fetch('/public/a')).status, 200)
  t.strictSame(identityNames.flatMap((name) => valuesOf(seen[0] ?? { method: '', target: '', rawHeaders: [], body: '' }, name)).join(''), '', 'T-08')
  t.equal((await person.fetch('/token')).status, 200)
  t.match(valuesOf(seen[1] ?? { method: '', target: '', rawHeaders: [], body: '' }, accessTokenHeader), [/./])
  seen.length = 0
  t.equal((await ask(house, '/orders', { method: 'TRACE' })).text.includes('x-identity'), false, 'C-44')
  t.strictSame(seen, [])
}

async function takesNoForgery (t: Test, house: House): Promise<void> {
  const problems: string[] = []
  const wholly = [...identityNames, 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded']
  for (const name of [...wholly, 'x-original-uri', 'x-original-url', 'x-rewrite-url', 'x-real-ip']) {
    const spellings = spellingsOf(name).filter((spelling) => wholly.includes(name) || /^[\dA-Za-z-]+$/.test(spelling))
    for (const target of ['/orders', '/public/a']) {
      for (const spelling of spellings) {
        const { status } = await ask(house, target, { headers: [`${spelling}: evil`, `${spelling}: evil`] })
        const got = house.seen.pop()
        const values = got === undefined ? ['nothing'] : valuesOf(got, name)
        // An ambiguous description is refused; what is let through tells nothing of the client's.
        if (got === undefined ? status < 400 : values.length > 1 || got.rawHeaders.includes('evil')) problems.push(`${target} ${spelling}: ${status} ${values.join()}`)
      }
    }
  }
  t.strictSame(problems, [], 'T-06 T-08')
  const { status } = await ask(house, '/orders', { headers: ['connection: close, x-identity-user, cookie, x-original-uri'] })
  const got = house.seen.pop()
  if (got !== undefined) t.strictSame([status, valuesOf(got, 'x-identity-user')], [200, ['lihua']], 'T-07')
}

async function describesItself (t: Test, house: House): Promise<void> {
  const claims = [
    ['x-original-uri: /public', 'x-original-method: GET'], ['x-forwarded-uri: /public', 'x-forwarded-method: OPTIONS'], ['x-original-url: /public'], ['x-rewrite-url: /public'],
    ['x-forwarded-uri: /public', 'x-forwarded-method: GET', 'x-forwarded-host: app.example.com', 'x-forwarded-proto: https'], ['x-http-method-override: OPTIONS'],
    ['user-agent: kube-probe/1.0'], ['x-original-uri: /public', 'connection: close, x-original-uri'], ['sec-fetch-mode: navigate', 'upgrade: websocket'],
  ]
  for (const headers of claims) {
    for (const method of ['GET', 'POST', 'OPTIONS', 'HEAD']) {
      const { status } = await ask(house, '/orders', { method, headers, cookie: '' })
      t.ok(status >= 300, `T-01 ${method} ${headers.join()}: ${status}`)
    }
  }
  const description = [`host: ${new URL(house.url).host}`, 'x-original-method: GET', 'x-original-proto: http', `x-original-host: ${new URL(house.url).host}`, 'x-original-uri: /orders']
  for (const target of [
    '/_gate/verify', '/_gate/verify?refused', '/_gate/verify/', '/_gate/verify/orders', '/_gate/%76erify', '/_gate/verif%79/orders', '/_gate//verify', '/_gate/./verify',
    '/x/../_gate/verify', '/_gate/verify;a', '/_gate/VERIFY', '/_GATE/verify', '/%5fgate/verify', '/_gate%2fverify', `${house.url}/_gate/verify`, '//_gate/verify',
  ]) {
    const { status, text } = await ask(house, target, { headers: description.slice(1) })
    t.ok(status >= 300 || house.seen.pop() !== undefined, `T-18 ${target}: ${status}`)
    t.notMatch(text.toLowerCase(), 'x-identity-assertion', target)
  }
  t.strictSame(house.seen, [])
}

/** Whatever a proxy makes of a path: what the application gets is what the rule has let through. */
async function agreesOnPaths (t: Test, house: House): Promise<void> {
  const targets = [
    '/public/../admin', '/public/%2e%2e/admin', '/public//../admin', '//public', '/public//admin', '/public%2f..%2fadmin', '/public\\..\\admin', '/public%5c..%5cadmin', '/public#/../admin',
    '/public%23/../admin', '/public/..;/admin', '/public/%252e%252e/admin', '/PUBLIC', '/publi%63', '/public/%00', '/public/%zz', '/public/\x80', '/public/%c0%ae%c0%ae/admin', '/./public',
    '/secret', '/%73ecret', '/public/../secret', '/SECRET', '/secret;x', '/secret/', '/%61dmin', '/admin%2f', '/admin/..', `${house.url}/public/../admin`, `${house.url}/orders`, '*', '/public?/../admin',
    '/public/a?b#c', '/public/ä', '/public/a%20b', '/public/a%2Fb', "/public/a!$&'()*+,=:@b", '/public/%7e', '/a%3Bb', '/public/a;b', '/_gate/../admin', '/_gate/..%2fadmin', '/_gate%2f..%2fadmin',
  ]
  let passed = 0
  for (const target of targets) {
    for (const cookie of [undefined, '']) {
      const { status } = await ask(house, target, cookie === undefined ? {} : { cookie })
      const got = house.seen.pop()
      if (got === undefined) {
        t.ok(status >= 300, `${target} was answered with ${status} by nobody`)
        continue
      }
      passed++
      t.equal(judgeTarget(got.target, '/_gate'), 'upstream', `T-05 ${target} came as ${got.target}`)
      const path = pathOf(got.target)
      t.notMatch(path, /^\/(?:admin|secret)(?![\w-])/i, `${target} came as ${got.target}`)
      if (cookie === '') t.match(path, /^\/public(?:$|\/)/, `${target} came as ${got.target} without a session`)
      else t.strictSame(valuesOf(got, 'x-identity-user').join(''), path.startsWith('/public') && valuesOf(got, 'x-identity-user').join('') === '' ? '' : 'lihua')
      // Apache drops the first of two slashes, and asks nobody: the gateway judges what it gets.
      if (/^\/[^/]/.test(target)) t.equal(got.target, target, 'byte for byte')
    }
  }
  t.ok(passed > 10, `${passed} got through`)
}

async function opensWebSockets (t: Test, { url, person, seen }: House): Promise<void> {
  const socket = await dialWebSocket(url, { cookie: `a=b; ${person.cookieHeader()}`, headers: ['x-identity-user: evil'] })
  t.equal(socket.status, 101)
  socket.send('hello')
  t.equal((await socket.next()).payload.toString(), 'hello')
  socket.socket.destroy()
  t.equal((await dialWebSocket(url, { cookie: person.cookieHeader(), origin: 'https://evil.example' })).status, 403, 'T-36')
  t.equal((await dialWebSocket(url)).status, 401)
  t.strictSame(seen, [])
}

async function refusesAtOnce (t: Test, house: House): Promise<void> {
  const { gateway, seen } = house
  const person = await house.signIn()
  t.equal((await person.fetch('/orders')).status, 200)
  const session = await storedSession(gateway, person.cookieHeader())
  if (session !== undefined) await gateway.storage.sessions.end(session.ref)
  t.equal((await person.fetch('/orders')).status, 401)
  t.equal((await house.person.fetch('/orders')).status, 200)
  seen.length = 0

  await gateway.close()
  for (const target of ['/orders', '/public/a', '/_gate/sign-in']) {
    for (const headers of [script, { accept: 'text/html' }]) {
      const answer = await request(`${house.url}${target}`, { headers: { ...headers, cookie: house.person.cookieHeader() } })
      await answer.body.dump()
      t.ok(answer.statusCode >= 500, `T-17 ${target} without a gateway: ${answer.statusCode}`)
    }
  }
  t.strictSame(seen, [], 'closed, not open')
}

const checks = { signsIn, obeysRoutes, takesNoForgery, describesItself, agreesOnPaths, opensWebSockets, refusesAtOnce }
const names: readonly ProxyName[] = ['nginx', 'caddy', 'haproxy', 'nginx in front', 'apache in front']
for (const name of names) {
  t.test(name, async (t) => {
    const house = await openHouse(t, name)
    for (const [check, run] of Object.entries(checks)) await t.test(`${name} ${check}`, (t) => run(t, house))
  })
}
