import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { cookieNames } from '../../src/session/cookies.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import type { Endpoint, Misbehaviour } from '../support/fake-authorization-server.ts'
import { bindTenant, comeBack, lihua, signIn, tenantId } from '../support/signed-in.ts'

const raw = (body: string | Buffer, headers: Record<string, string> = {}): Misbehaviour => (response) => {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)
}

/** A server that counts who comes: nobody should. */
async function openTrap (t: { teardown (closer: () => unknown): void }): Promise<{ url: string, port: number, hits: string[] }> {
  const hits: string[] = []
  const server = createServer((request, response) => {
    hits.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json').end('{"access_token":"stolen","token_type":"Bearer","userName":"lihua"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, hits }
}

t.test('an authorization server that misbehaves', { timeout: 50_000 }, async (t) => {
  const gateway = await openTestGateway(t, { authorizationServerTimeoutSeconds: 1 })
  const server = await bindTenant(t, gateway)
  const trap = await openTrap(t)
  t.afterEach(() => { server.misbehaviours.clear() })

  /** Page, problem body and log line of one refusal agree; nobody is in; the next person is. */
  async function isRefused (t: Test, reason: string, how: [Endpoint, Misbehaviour]): Promise<void> {
    server.misbehaviours.set(...how)
    const status = reason === 'marketplace-unavailable' ? 503 : 403
    const browser = gateway.browser()
    const code = server.issueCode(lihua)
    const calls = server.calls.length
    const answer = await comeBack(browser, code, '/reports')
    t.equal(answer.status, status)
    t.match(answer.body, reason)
    const supportCode = /[0-9A-Z]{4}-[0-9A-Z]{4}/.exec(answer.body)?.[0] ?? ''
    t.equal(linesWith(`"supportCode":"${supportCode}"`).length, 1, 'one log line carries the support code of the page')
    t.match(linesWith(`"supportCode":"${supportCode}"`)[0], { event: 'access.refused', reason })
    t.equal('retry-after' in answer.headers, status === 503)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.notOk(browser.cookies.has(cookieNames.session), 'nobody is signed in')
    t.equal((await browser.open('/reports')).status, 303)
    t.equal(server.calls.length - calls, how[0] === 'token' ? 1 : 2, 'nothing is asked twice')

    server.misbehaviours.clear()
    const again = await browser.open(`/_gate/callback?code=${code}&tenant=${tenantId}`)
    t.match(again, { status: 403, body: /code-reused/ }, 'the code is spent (C-7)')
    t.equal(server.calls.filter(({ form }) => form['code'] === code).length, 1)
    if (status === 503) t.ok(await signIn(gateway, server), 'the next person gets in')
    for (const text of [answer.body, gateway.logLines.join('')]) t.notMatch(text, /canary-\d|client-secret-1/, 'no code, token or secret is told (T-38)')
  }

  function linesWith (text: string): Record<string, unknown>[] {
    return gateway.logLines.filter((line) => line.includes(text)).map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  const nothingUnderstood: [string, Misbehaviour][] = [
    ['HTML', 'html'],
    ['a hang', 'hang'],
    ['a reset', 'reset'],
    ['500', 'status-500'],
    ['429', 'status-429'],
    ['compressed bytes that nobody asked for', 'gzip'],
    ['a compressed bomb (T-39)', raw(gzipSync(Buffer.alloc(20_000_000, 0x20)), { 'content-encoding': 'gzip' })],
    ['broken JSON', 'not-json'],
    ['no body', raw('')],
    ['a body that ends too early', (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"access_token":"x"')
      setTimeout(() => { response.destroy() }, 20)
    }],
    ['a byte now and then', (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const timer = setInterval(() => { response.write(' ') }, 20)
      response.on('close', () => { clearInterval(timer) })
    }],
    ['no HTTP', (response) => { response.socket?.end('SSH-2.0-OpenSSH_9.6\r\n') }],
    ['200 KB of headers', raw('{}', { 'x-flood': 'x'.repeat(200_000) })],
    ['deep nesting', raw('['.repeat(100_000))],
    ...[301, 302, 303, 307, 308].map((status): [string, Misbehaviour] =>
      [`redirect ${status}`, { status, body: {}, headers: { location: `${trap.url}/steal` } }]),
  ]
  for (const endpoint of ['token', 'userinfo'] as const) {
    for (const [name, misbehaviour] of nothingUnderstood) {
      await t.test(`${endpoint} answers ${name}: the person reads that the marketplace is away`, async (t) => {
        await isRefused(t, 'marketplace-unavailable', [endpoint, misbehaviour])
      })
    }
    for (const [status, body] of [[400, '{"error":"invalid_grant"}'], [401, 'no'], [403, '<h1>no</h1>'], [401, '{"error_code":"APIGW.0301"}'], [404, '']] as const) {
      await t.test(`${endpoint} answers ${status} ${body}: the person reads that the login was refused`, async (t) => {
        await isRefused(t, 'code-refused', [endpoint, (response) => { response.writeHead(status).end(body) }])
      })
    }
  }
  t.same(trap.hits, [], 'no redirect was followed (T-44)')

  const oddTokens: [string, unknown][] = [
    ['a JSON array', ['access_token']], ['a text', 'access_token'], ['null', null], ['nothing in it', {}],
    ['an access token that is no text', { access_token: { a: 1 }, token_type: 'Bearer' }],
    ['another kind of token', { access_token: 'x', token_type: 'mac' }],
    ['an expiry that is no number', { access_token: 'x', token_type: 'Bearer', expires_in: 'soon' }],
    ['line breaks in the token', { access_token: 'x\r\nx-evil: 1', token_type: 'Bearer' }],
  ]
  for (const [name, body] of oddTokens) {
    await t.test(`token answers ${name}: nobody is signed in`, async (t) => {
      server.misbehaviours.set('token', { status: 200, body })
      const browser = gateway.browser()
      const answer = await comeBack(browser, server.issueCode(lihua))
      t.match(answer, { status: 503, body: /marketplace-unavailable/ })
      t.notOk(browser.cookies.has(cookieNames.session))
    })
  }

  const longest = '中'.repeat(256)
  const people: [string, string, string][] = [
    ['nobody', '{}', 'account-unnamed'],
    ['an array', '["lihua"]', 'account-unnamed'],
    ['null', 'null', 'account-unnamed'],
    ['a text', '"lihua"', 'account-unnamed'],
    ['an empty name', '{"userName":""}', 'account-unnamed'],
    ['a number', '{"userName":7}', 'account-unnamed'],
    ['a list', '{"userName":["lihua"]}', 'account-unnamed'],
    ['an object', '{"userName":{"toString":"lihua"}}', 'account-unnamed'],
    ['a prototype with the name (T-42)', `{"__proto__":{"userName":"lihua","tenant":"${tenantId}"}}`, 'account-unnamed'],
    ['a constructor with the name', '{"constructor":{"prototype":{"userName":"lihua"}}}', 'account-unnamed'],
    ['only an e-mail and an id (C-12)', '{"email":"lihua@example.com","userId":"lihua","sub":"lihua","name":"lihua"}', 'account-unnamed'],
    ['a name of 257', `{"userName":"${'x'.repeat(257)}"}`, 'account-unnamed'],
    ['a name of 100,000', `{"userName":"${'x'.repeat(100_000)}"}`, 'account-unnamed'],
    ['the longest name', `{"userName":"${longest}"}`, 'account-not-authorised'],
    ['__proto__', '{"userName":"__proto__"}', 'account-not-authorised'],
    ['constructor', '{"userName":"constructor"}', 'account-not-authorised'],
    ['a NUL byte behind the name', '{"userName":"lihua\\u0000"}', 'account-not-authorised'],
    ['256 NUL bytes', `{"userName":"${'\\u0000'.repeat(256)}"}`, 'account-not-authorised'],
    ['a lone surrogate', '{"userName":"lihua\\ud800"}', 'account-not-authorised'],
    ['another spelling', '{"userName":"LiHua"}', 'account-not-authorised'],
    ['a blank behind the name', '{"userName":"lihua "}', 'account-not-authorised'],
    ['the name and its enterprise', '{"userName":"lihua@sunrise"}', 'account-not-authorised'],
    ['somebody whom no push authorised', '{"userName":"stranger"}', 'account-not-authorised'],
    ['another tenant', '{"userName":"lihua","tenant":"another"}', 'tenant-mismatch'],
    ['a tenant that is no text', `{"userName":"lihua","tenant":["${tenantId}"]}`, 'account-unnamed'],
    ['a tenant that is null', '{"userName":"lihua","tenant":null}', 'account-unnamed'],
  ]
  for (const [name, body, reason] of people) {
    await t.test(`userinfo names ${name}: ${reason}`, async (t) => {
      await isRefused(t, reason, ['userinfo', raw(body)])
    })
  }

  for (const body of ['{"userName":"lihua"}', '{"user_name":"lihua","tenant":""}', `{"userName":"lihua","tenant":"${tenantId}","role":"admin","__proto__":1}`]) {
    await t.test(`userinfo ${body} is lihua, with the role that the pushes gave (login.md Q8)`, async (t) => {
      server.misbehaviours.set('userinfo', raw(body))
      gateway.clock.advance(1)
      const browser = await signIn(gateway, server)
      t.match(JSON.parse((await browser.fetch('/_gate/session')).body), { user: 'lihua', role: 'user' })
    })
  }

  await t.test('50 MB from token or userinfo are cut off: the answer comes at once and memory stays where it was (C-16)', async (t) => {
    const before = process.memoryUsage().rss
    for (const endpoint of ['token', 'userinfo'] as const) {
      server.misbehaviours.set(endpoint, 'flood')
      const startedAt = performance.now()
      const answers = await Promise.all(Array.from({ length: 5 }, () => comeBack(gateway.browser(), server.issueCode(lihua))))
      t.ok(performance.now() - startedAt < 3_000)
      t.ok(answers.every(({ status, body }) => status === 503 && body.includes('marketplace-unavailable')))
      server.misbehaviours.clear()
    }
    const grownBy = (process.memoryUsage().rss - before) / 1_048_576
    t.ok(grownBy < 120, `grown by ${Math.round(grownBy)} MB`)
    gateway.clock.advance(1)
    t.equal((await (await signIn(gateway, server)).open('/')).body, 'the application')
  })

  await t.test('a script that comes to the callback gets the same as a problem body', async (t) => {
    server.misbehaviours.set('token', 'html')
    const answer = await gateway.browser().fetch(`/_gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`)
    t.equal(answer.status, 503)
    t.match(answer.headers['content-type'], 'application/problem+json')
    t.match(JSON.parse(answer.body), { reason: 'marketplace-unavailable', supportCode: /^\w{4}-\w{4}$/ })
  })

  await t.test('a tenant that no push named causes no call, whatever it is called (T-43)', async (t) => {
    const calls = server.calls.length
    for (const tenant of ['unknown', '__proto__', 'constructor', '%00', `${tenantId}%00`, `${tenantId}%20`, tenantId.toUpperCase(), '中'.repeat(64), trap.url, '..%2f', '%ff', '']) {
      const answer = await gateway.browser().open(`/_gate/callback?code=x&tenant=${encodeURI(tenant).replaceAll('%25', '%')}`)
      t.ok(answer.status === 403 || answer.status === 400, `${tenant}: ${answer.status}`)
      t.match(answer.body, /tenant-unknown|callback-malformed|GW_REQUEST/)
    }
    t.equal(server.calls.length, calls)
    t.same(trap.hits, [])
  })
  t.same(gateway.logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line)), [], 'nothing of this is a fault of ours')
})
