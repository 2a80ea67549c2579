import { once } from 'node:events'
import { createPublicKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { decodeProtectedHeader } from 'jose'
import { request } from 'undici'
import { Secret } from '../../src/base/secret.ts'
import { sealClientSecret } from '../../src/push/signature/client-secret.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { Browser } from '../support/browser.ts'
import { appId, freePort, kitKey, openTestGateway, testEnvironment, toPushTime, wireAccount, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { openRecordingUpstream } from '../support/recording-upstream.ts'
import { startJointgate, type RunningProcess } from '../support/run-jointgate.ts'
import { bindTenant, comeBack, lihua, signIn, tenantId, until } from '../support/signed-in.ts'

async function kidOf (gateway: TestGateway, browser: Browser): Promise<{ published: string[], used: string | undefined }> {
  const { keys } = JSON.parse((await browser.fetch('/_gate/jwks.json')).body) as { keys: { kid: string }[] }
  await browser.open('/')
  const assertion = gateway.upstream.requests.at(-1)?.headers['x-identity-assertion']
  return { published: keys.map(({ kid }) => kid), used: decodeProtectedHeader(String(assertion)).kid }
}

t.test('a restart keeps everybody signed in, the keys of the assertion, and what was pushed', async (t) => {
  const upstream = await openRecordingUpstream(t)
  const first = await openTestGateway(t, { upstream })
  const server = await bindTenant(t, first)
  const browser = await signIn(first, server)
  const gone = await signIn(first, server)
  const kept = new Browser(first.url)
  for (const [name, value] of gone.cookies) kept.cookies.set(name, value)
  await gone.submit('/_gate/sign-out')
  const pending = first.browser()
  await pending.submit('/_gate/sign-in', { return_to: '/reports' })
  const keys = await kidOf(first, browser)
  t.same(keys.published, [keys.used])
  await first.close()

  const { dataFolder, clock } = first
  const second = await openTestGateway(t, { upstream, dataFolder, clock, port: Number(new URL(first.url).port) })
  t.match(await browser.open('/reports'), { status: 200, body: 'the application' })
  t.same(await kidOf(second, browser), keys)
  t.match(await kept.open('/'), { status: 303, location: /because=session-unknown/ }, 'who signed out before stays out')
  const code = server.issueCode(lihua)
  t.match(await pending.open(`/_gate/callback?code=${code}&tenant=${tenantId}`), { status: 303, location: '/reports' }, 'a login begun before ends after it')
  t.match(await second.browser().open(`/_gate/callback?code=${code}&tenant=${tenantId}`), { status: 403, body: /code-reused/ })
})

t.test('a store that fails: closed, and nobody loses a session (C-35)', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await bindTenant(t, gateway)
  const browser = await signIn(gateway, server)
  const before = browser.cookieHeader()
  t.equal((await gateway.operatorApp.inject('/healthz/ready')).statusCode, 200)
  const calls = server.calls.length
  await gateway.storage.close()

  for (const path of ['/', '/reports', '/_gate/session', '/_gate/sign-out']) {
    const page = await browser.open(path)
    t.equal(page.status, 503, path)
    t.match(page.headers['retry-after'], /^\d+$/)
    t.equal(page.location, '', 'not sent to sign-in')
    t.notOk('set-cookie' in page.headers, 'the cookie is not taken back')
    t.match(page.body, 'GW_STORAGE_UNAVAILABLE')
    const problem = await browser.fetch(path)
    t.equal(problem.status, 503)
    t.match(problem.headers, { 'retry-after': /^\d+$/, 'content-type': /problem\+json/ })
    t.match(JSON.parse(problem.body), { code: 'GW_STORAGE_UNAVAILABLE', supportCode: /^\w{4}-\w{4}$/ })
  }
  t.equal((await browser.submit('/_gate/sign-out')).status, 503, 'a sign-out that did not happen does not look like one')
  t.match(await gateway.browser().submit('/_gate/sign-in'), { status: 503, body: /GW_STORAGE_UNAVAILABLE/ })
  t.match(await gateway.browser().open(`/_gate/callback?code=x&tenant=${tenantId}`), { status: 503, body: /GW_STORAGE_UNAVAILABLE/ })
  t.match(await gateway.push('authSync', { tenantId, appId, flag: 1, currentSyncTime: '20250101000000000', userList: [wireAccount(lihua)] }), { resultCode: '000005' })
  t.equal(browser.cookieHeader(), before)
  t.equal(server.calls.length, calls)
  t.same(gateway.upstream.requests, [], 'nothing reached the application')
  t.equal((await gateway.browser().open('/_gate/sign-in')).status, 503, 'who can\'t be counted can\'t begin (C-18)')
  t.equal((await gateway.browser().open('/_gate/jwks.json')).status, 200, 'what needs no store works')
  const ready = await gateway.operatorApp.inject('/healthz/ready')
  t.equal(ready.statusCode, 503)
  t.match(ready.json(), { code: 'GW_STORAGE_UNAVAILABLE' })
  t.equal((await gateway.operatorApp.inject('/healthz/live')).statusCode, 200)
})

/** Rejects if it takes too long, so that a process that hangs fails its test by name. */
async function within<Result> (seconds: number, what: string, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`${what} took more than ${seconds} s`)) }, seconds * 1000)
  })
  return await Promise.race([work, late]).finally(() => { clearTimeout(timer) })
}

t.test('the real process: killed right after a push was acknowledged, started again, stopped in order', async (t) => {
  const upstream = await openRecordingUpstream(t)
  const server = await openFakeAuthorizationServer(t)
  const dataFolder = mkdtempSync(join(tmpdir(), 'jointgate-restart-'))
  const url = `http://127.0.0.1:${await freePort()}`
  const env = testEnvironment({ url, upstream: upstream.url, dataFolder })
  const publicKey = createPublicKey(env['JOINTGATE_MARKETPLACE_PRIVATE_KEYS'] ?? '')
  const running: RunningProcess[] = []
  t.teardown(() => {
    for (const { child } of running) child.kill('SIGKILL')
    rmSync(dataFolder, { recursive: true, force: true })
  })

  async function start (): Promise<RunningProcess> {
    const started = startJointgate(['serve'], env)
    running.push(started)
    await within(25, 'the start', started.logged('gateway.started'))
    return started
  }
  async function kill (process: RunningProcess): Promise<void> {
    process.child.kill('SIGKILL')
    t.match(await within(5, 'the kill', process.ended), { signal: 'SIGKILL' })
  }
  const signed = (members: Record<string, unknown>) => {
    const now = Date.now()
    const body = JSON.stringify({ instanceId: 'instance-1', testFlag: 0, timeStamp: toPushTime(now), ...members })
    return { body, headers: { 'content-type': 'application/json', ...signKitV2(kitKey, body, randomBytes(16).toString('hex'), now) } }
  }
  async function send (name: string, { body, headers }: ReturnType<typeof signed>): Promise<unknown> {
    const answer = await request(`${url}/_gate/marketplace/produceAPI/v2/${name}`, { method: 'POST', body, headers, headersTimeout: 10_000 })
    return ((await answer.body.json()) as { resultCode: string }).resultCode
  }

  let gateway = await start()
  t.equal(await send('tenantSync', signed({ tenantId, tenantCode: 'sunrise', name: '晨曦科技', domainName: server.url, orderId: 'order-1', flag: 1 })), '000000')
  const clientSecret = sealClientSecret(new Secret('client-secret-1'), publicKey)
  t.equal(await send('applicationSync', signed({ tenantId, appId, clientId: 'client-1', clientSecret, flag: 1 })), '000000')
  const authSync = signed({ tenantId, appId, flag: 1, currentSyncTime: toPushTime(Date.now()), userList: [wireAccount(lihua)] })
  t.equal(await send('authSync', authSync), '000000')
  await kill(gateway)

  gateway = await start()
  t.equal(await send('authSync', authSync), '000000')
  t.match(await within(5, 'the log line', gateway.logged('push.received')), { interface: 'authSync', outcome: 'repeated' }, 'the same signature is known')
  const browser = new Browser(url)
  t.match(await comeBack(browser, server.issueCode(lihua)), { status: 303, location: '/' })
  t.match(await browser.open('/'), { status: 200, body: 'the application' })
  await kill(gateway)

  gateway = await start()
  t.match(await browser.open('/'), { status: 200, body: 'the application' }, 'the session has outlived the kill')

  let release = (): void => {}
  upstream.answer = (_request, response) => {
    response.write('slow ')
    release = () => { response.end('but whole') }
  }
  const asked = upstream.requests.length
  const slow = browser.open('/slow')
  await until(() => upstream.requests.length > asked)
  gateway.child.kill('SIGTERM')
  await within(5, 'the signal', gateway.logged('gateway.stopping'))
  await until(async () => await request(url, { reset: true, headersTimeout: 1_000 }).then(async ({ statusCode, body }) => {
    await body.dump()
    return statusCode === 503
  }, () => true))
  release()
  t.match(await within(5, 'the request in flight', slow), { status: 200, body: 'slow but whole' })
  t.match(await within(12, 'the end', gateway.ended), { code: 0, signal: null, stderr: '' })
})

t.test('a stop waits for the answer under way, not for the client to let go of the connection', async (t) => {
  const gateway = await openTestGateway(t)
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  let answer = ''
  socket.on('data', (chunk: Buffer) => { answer += chunk.toString('latin1') })
  socket.write('POST /_gate/marketplace/produceAPI/v2/tenantSync HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{')
  await once(gateway.publicApp.server, 'request')
  const end = once(socket, 'end')
  const closed = gateway.close()
  await until(() => !gateway.publicApp.server.listening)
  socket.write('}')
  await within(5, 'the end of the connection', end)
  await within(5, 'the stop', closed)
  t.match(answer, /^HTTP\/1\.1 200 [^]*"resultCode":"000001"/, 'answered whole')
})
