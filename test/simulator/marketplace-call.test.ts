import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { Secret } from '../../src/base/secret.ts'
import { bodySign } from '../../src/push/signature/body-sign.ts'
import { baseV1Call, baseV2Call, kitNames, kitV1Call, kitV2Call, sendCall } from '../../src/simulator/marketplace-call.ts'
import { readFixture } from '../support/fixture.ts'
import { ManualClock } from '../support/manual-clock.ts'

const clock = new ManualClock(1_735_689_600_000)
const baseUrl = 'https://isv.example.com/saas'

t.test('each kind of call is signed as the fixtures are', async (t) => {
  const lowered = (headers: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  for (const name of kitNames) {
    const { secret, request } = readFixture(`kit-v2-${name}`)
    const target = { baseUrl, clock, accessKey: new Secret(secret.accessKey) }
    const call = kitV2Call(target, name, request.rawBody, { nonce: lowered(request.headers)['x-nonce']! })
    t.match(call, { method: 'POST', url: request.url, body: request.rawBody }, name)
    t.equal(call.headers['x-sign'], lowered(request.headers)['x-sign'])

    const old = readFixture(`kit-v1-${name}`)
    const v1 = kitV1Call({ ...target, accessKey: new Secret(old.secret.accessKey) }, name, old.request.rawBody)
    t.match(v1, { method: 'POST', url: old.request.url, body: old.request.rawBody }, `${name} V1`)
    t.equal(v1.headers['authToken'], lowered(old.request.headers)['authtoken'])
  }
  for (const activity of ['newInstance', 'queryInstance', 'refreshInstance', 'releaseInstance', 'orderNotify']) {
    const { secret, request } = readFixture(`base-v2-${activity}`)
    const nonce = new URL(request.url).searchParams.get('nonce') ?? ''
    const call = baseV2Call({ baseUrl, clock, accessKey: new Secret(secret.accessKey) }, request.rawBody, { nonce })
    t.match(call, { method: 'POST', url: request.url, body: request.rawBody }, activity)
  }
  for (const activity of ['newInstance', 'queryInstance', 'refreshInstance', 'releaseInstance', 'upgrade', 'expireInstance']) {
    const { secret, request } = readFixture(`base-v1-${activity}`)
    const call = baseV1Call({ baseUrl, clock, accessKey: new Secret(secret.accessKey) }, request.params)
    t.match(call, { method: 'GET', body: undefined })
    t.strictSame([...new URL(call.url).searchParams].sort(), [...new URL(request.url).searchParams].sort(), `${activity} V1`)
  }
})

t.test('a call may be made wrong on purpose', async (t) => {
  const target = { baseUrl, clock, accessKey: new Secret('k') }
  const plain = kitV2Call(target, 'tenantSync', '{"a":1}')
  const other = kitV2Call(target, 'tenantSync', '{"a":1}', { timestamp: 5, sentBody: '{"a":2}', headerNames: { 'x-sign': 'X-SIGN' } })
  t.match(plain.headers, { 'x-timestamp': '1735689600000', 'x-nonce': /^[0-9a-f]{32}$/ })
  t.equal(other.body, '{"a":2}')
  t.equal(other.headers['x-timestamp'], '5')
  t.match(other.headers['X-SIGN'], /^[0-9A-F]{64}$/)
  t.notOk('x-sign' in other.headers)
  t.match(baseV2Call(target, '{"a":1}', { nonce: 'n', timestamp: 7 }).url, /timestamp=7&nonce=n$/)
})

async function answerWith (t: Test, handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handle)
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const dispatcher = new Agent()
  t.teardown(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    server.close()
  })
  const accessKey = new Secret('kit-key')
  const call = kitV2Call({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, accessKey, clock }, 'tenantSync', '{"a":1}')
  return (timeoutMilliseconds?: number) =>
    sendCall(call, { accessKey, clock, dispatcher, ...(timeoutMilliseconds === undefined ? {} : { timeoutMilliseconds }) })
}

t.test('an answer is read as the marketplace reads it', async (t) => {
  const text = '{"resultCode":"000000","resultMsg":"success."}'
  let headers: Record<string, string> = {}
  let said = text
  const send = await answerWith(t, (_request, response) => { response.writeHead(200, { 'Content-Type': 'application/json', ...headers }).end(said) })

  headers = { 'Body-Sign': bodySign('kit-key', text) }
  t.match(await send(), { httpStatus: 200, failureCode: '', contentType: 'application/json', bodySign: 'verified', bodySignName: 'Body-Sign', resultCode: '000000' })
  headers = { 'body-sign': bodySign('kit-key', text) }
  t.match(await send(), { bodySign: 'missing', bodySignName: 'body-sign' }, 'the name is compared with its case')
  headers = { 'Body-Sign': bodySign('another', text) }
  t.match(await send(), { bodySign: 'wrong' })
  headers = { 'Body-Sign': bodySign('kit-key', text).replaceAll('"', '') }
  t.match(await send(), { bodySign: 'wrong' }, 'quotes belong to it')
  said = '{"resultCode":"000000"}'
  t.match(await send(), { resultCode: '', resultMsg: 'cannot parse the response body', json: { resultCode: '000000' } })
  said = '[]'
  t.match(await send(), { json: undefined, text: '[]' })
})

t.test('no answer is an answer too, with its cause', async (t) => {
  const silent = await answerWith(t, () => {})
  t.match(await silent(30), { httpStatus: 0, failureCode: 'TimeoutError', resultCode: '', bodySign: 'missing', json: undefined })
  const rude = await answerWith(t, (request) => { request.socket.destroy() })
  t.match(await rude(), { httpStatus: 0, failureCode: /./, resultMsg: /./ })
})
