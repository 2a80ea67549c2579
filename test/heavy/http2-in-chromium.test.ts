import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import t, { type Test } from 'tap'
import { signBaseV2 } from '../../src/push/signature/base-v2.ts'
import { bodySign } from '../../src/push/signature/body-sign.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { kitKey, openTestGateway, productionKey, toPushTime } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { answerOf, openHttp2, tls } from '../support/http2-client.ts'
import { tenantId } from '../support/sign-in-steps.ts'
import { dialWebSocket, openLiveUpstream } from '../support/web-socket.ts'

// The test's own calls; what the gateway itself sends has agents of its own.
const before = getGlobalDispatcher()
const ours = new Agent({ connect: { rejectUnauthorized: false } })
setGlobalDispatcher(ours)
t.teardown(async () => {
  setGlobalDispatcher(before)
  await ours.destroy()
})

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }

async function openWorld (t: Test) {
  const server = await openFakeAuthorizationServer(t)
  const upstream = await openLiveUpstream(t)
  const gateway = await openTestGateway(t, {
    upstream,
    authorizationServerTimeoutSeconds: 10,
    env: {
      JOINTGATE_TLS_CERTIFICATE: tls.certificate,
      JOINTGATE_TLS_KEY: tls.key.reveal(),
      JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: `${server.url}/unified/#/portal-login`,
    },
  })
  server.callbackUrl = `${gateway.url}/_gate/callback`
  await gateway.bind({ tenantId, domainName: server.url, accounts: [lihua] })
  upstream.answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<p id="user">${String(request.headers['x-identity-user'])}</p>`)
  }
  return { server, upstream, gateway, port: Number(new URL(gateway.url).port) }
}

t.test('the sign-in, our pages and the application in Chromium over HTTP/2, a WebSocket beside it', async (t) => {
  const { server, gateway, upstream } = await openWorld(t)
  const browser = await chromium.launch({ executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--headless'] })
  t.teardown(() => browser.close())
  const context = await browser.newContext({ locale: 'en-GB', ignoreHTTPSErrors: true })
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const protocols = async (): Promise<string[]> => page.evaluate(() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .map((entry) => (entry as PerformanceResourceTiming).nextHopProtocol))
  server.signedOn = lihua
  await page.goto(`${gateway.url}/_gate/sign-in?return_to=%2Fdesk`)
  t.ok((await protocols()).length > 1, 'the page and its style sheet')
  t.strictSame([...new Set(await protocols())], ['h2'])
  await page.locator('main').getByRole('button').click()
  await page.locator('#user').waitFor()
  t.equal(new URL(page.url()).pathname, '/desk')
  t.equal(await page.locator('#user').textContent(), 'lihua')
  t.strictSame([...new Set(await protocols())], ['h2'])
  const cookie = String(upstream.requests.at(-1)?.headers['cookie'])
  t.notMatch(cookie, /jointgate/)

  const said = await page.evaluate(() => new Promise((resolve) => {
    const socket = new WebSocket(`wss://${location.host}/live`)
    socket.onopen = () => { socket.send('hello') }
    socket.onmessage = ({ data }) => { resolve(data) }
    socket.onerror = () => { resolve('error') }
  }))
  t.equal(said, 'hello', 'a WebSocket')

  await page.goto(`${gateway.url}/_gate/account`)
  t.strictSame([...new Set(await protocols())], ['h2'])
  await page.goto(`${gateway.url}/_gate/sign-out`)
  await page.locator('form[action="/_gate/sign-out"]').getByRole('button').click()
  await page.waitForURL((address) => !address.pathname.startsWith('/_gate/sign-out'))
  t.equal(await page.evaluate(async () => (await fetch('/_gate/session')).status).catch(() => 401), 401)
})

t.test('T-22 a push is verified over the bytes that were sent, over HTTP/1.1 with TLS and over HTTP/2 alike', async (t) => {
  const { gateway, port } = await openWorld(t)
  const http2 = openHttp2(t, port)
  const now = (): number => gateway.clock.now()
  let sent = 0
  const changes = { instanceId: 'instance-1', testFlag: 0, tenantId, tenantCode: 'sunrise', domainName: 'https://a.example.com', orderId: 'order-1', flag: 1 }
  const kit = async (http: '1.1' | '2', tamper = (body: string): string => body) => {
    const timeStamp = toPushTime(now() + ++sent * 10)
    // Spaces and escapes that a parser would not give back.
    const body = `{ "name":"\\u6668曦 ${sent}",${JSON.stringify({ ...changes, timeStamp }).slice(1, -1)} }`
    const stamp = signKitV2(kitKey, body, randomBytes(16).toString('hex'), now())
    return await send(http, '/_gate/marketplace/produceAPI/v2/tenantSync', stamp, tamper(body))
  }
  const base = async (http: '1.1' | '2', tamper = (query: string): string => query) => {
    const body = '{ "activity":"getLicense", "orderId":"a b+c" }'
    const stamp = signBaseV2(productionKey, body, randomBytes(16).toString('hex'), now())
    return await send(http, `/_gate/marketplace?${tamper(new URLSearchParams(stamp).toString())}`, {}, body)
  }
  const send = async (http: '1.1' | '2', path: string, headers: Record<string, string>, body: string) => {
    if (http === '2') {
      const stream = http2.request({ ':path': path, ':method': 'POST', 'content-type': 'application/json', ...headers })
      stream.end(body)
      const { status, headers: seen, body: text } = await answerOf(stream)
      return { status, type: seen['content-type'], name: 'body-sign', sign: seen['body-sign'], body: text }
    }
    const lines = Object.entries({ 'content-type': 'application/json', ...headers }).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const { stdout } = await promisify(execFile)('curl', ['-ski', '--http1.1', ...lines, '--data-binary', body, gateway.url + path])
    const [head = '', text = ''] = stdout.split('\r\n\r\n')
    const [, name, sign] = /^(body-sign): (.*)$/im.exec(head.replaceAll('\r', '')) ?? []
    return { status: Number(head.split(' ')[1]), type: /^content-type: (.*)$/im.exec(head.replaceAll('\r', ''))?.[1], name, sign, body: text }
  }
  for (const http of ['1.1', '2'] as const) {
    const good = await kit(http)
    t.match(good, { status: 200, type: 'application/json', name: http === '2' ? 'body-sign' : 'Body-Sign', body: /"000000"/ }, http)
    t.equal(good.sign, bodySign(kitKey, Buffer.from(good.body)))
    t.match(await kit(http, (body) => body.replace('sunrise', 'sunset')), { status: 200, body: /"resultCode":"(?!000000)/ }, `${http}: other bytes`)
    const known = await base(http)
    t.equal(known.sign, bodySign(productionKey, Buffer.from(known.body)), `${http}: a raw query`)
    const forged = await base(http, (query) => query.replace(/signature=./, 'signature=%00'))
    t.not(forged.body, known.body, `${http}: another query`)
  }
  const cut = http2.request({ ':path': '/_gate/marketplace/produceAPI/v2/tenantSync', ':method': 'POST', 'content-type': 'application/json' })
  cut.on('error', () => {})
  cut.write('{')
  cut.close(8)
  await once(cut, 'close')
  t.match(await kit('2'), { body: /"000000"/ }, 'a push that breaks off disturbs nobody')
  const socket = await dialWebSocket(gateway.url, { cookie: '' })
  t.equal(socket.status, 401)
  socket.socket.destroy()
})
