import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceEvent } from '../../src/directory/instance.ts'
import type { InstanceId, PushVersion } from '../../src/directory/model.ts'
import { createAskChange } from '../../src/provisioning/ask-change.ts'
import { openBoundedCaller } from '../../src/provisioning/bounded-call.ts'
import { openProvisioningHook } from '../../src/provisioning/provisioning-hook.ts'
import { versionAt, timeOf } from '../../src/directory/push-version.ts'
import { signWebhook } from '../../src/provisioning/standard-webhook.ts'
import { InstanceDirectory } from '../support/instance-directory.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openSellerHook, type ReceivedCall } from '../support/seller-hook.ts'

const newSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const oldSecret = `whsec_${Buffer.alloc(24, 9).toString('base64')}`

const created: InstanceEvent = {
  id: 'evt_1',
  type: 'instance.created',
  instanceId: 'i-1' as InstanceId,
  occurredAt: '20250101080000250' as PushVersion,
  order: { orderId: 'CS-1', orderLineId: 'CS-1-000001' },
  details: { productId: 'OFFI1', expiresAt: Date.UTC(2026, 0, 1) },
}

async function open (t: Test, options: { timeoutSeconds?: number } = {}) {
  const seller = await openSellerHook(t)
  const clock = new ManualClock()
  const hook = openProvisioningHook({
    url: `${seller.url}/hooks/market?v=1`, secrets: [new Secret(newSecret), new Secret(oldSecret)], clock, dangerouslyAllowHttp: false, ...options,
  })
  t.teardown(() => hook.close())
  return { seller, clock, hook }
}

/** By the specification, sharing nothing with the code under test. */
function isSigned ({ headers, body }: ReceivedCall, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const text = [headers['webhook-id'], headers['webhook-timestamp'], body].join('.')
  return String(headers['webhook-signature']).split(' ').includes(`v1,${createHmac('sha256', key).update(text).digest('base64')}`)
}

t.test('a message is signed as the Standard Webhooks specification says: its published vector', async (t) => {
  const secret = new Secret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  t.same(signWebhook([secret], 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}'), {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

t.test('an event is told in one POST that either secret verifies, with what is known of the purchase', async (t) => {
  const { seller, clock, hook } = await open(t)
  const directory = new InstanceDirectory(clock)
  await directory.create('i-1', { buyer: { customerName: '某企业' } })
  await directory.push('i-1', { kind: 'purchase', purchase: { orderId: 'CS-1', orderType: 'NEW', products: [{ productId: 'OFFI1', amount: 50 }] } })
  const at = Math.floor(clock.now() / 1000)
  t.same(await hook.tell(created, directory.instances.get('i-1')), { kind: 'report', report: { kind: 'ready' }, unknownMembers: [] }, 'an empty 2xx is "heard"')
  const [call] = seller.calls
  if (call === undefined) throw new Error('no call')
  t.match(call, { method: 'POST', path: '/hooks/market?v=1' })
  t.match(call.headers, { 'content-type': 'application/json', 'webhook-id': 'evt_1', 'webhook-timestamp': String(at), connection: 'close' })
  t.ok(isSigned(call, newSecret))
  t.ok(isSigned(call, oldSecret), 'the old secret still holds while they are changed')
  t.notOk(isSigned({ ...call, body: `${call.body} ` }, newSecret), 'and the check itself can fail')
  t.same(JSON.parse(call.body), {
    type: 'instance.created',
    timestamp: '2025-01-01T00:00:00.250Z',
    data: {
      instanceId: 'i-1',
      test: false,
      order: { orderId: 'CS-1', orderLineId: 'CS-1-000001' },
      productId: 'OFFI1',
      expiresAt: '2026-01-01T00:00:00.000Z',
      buyer: { customerName: '某企业' },
      purchase: { orderId: 'CS-1', orderType: 'NEW', products: [{ productId: 'OFFI1', amount: 50 }] },
    },
  })

  clock.advance(5_000)
  await hook.tell(created, undefined)
  t.match(seller.calls[1]?.headers, { 'webhook-id': 'evt_1', 'webhook-timestamp': String(at + 5) }, 'a second attempt keeps the id and has its own time')
})

t.test('every answer that keeps the agreement is understood', async (t) => {
  const { seller, hook } = await open(t)
  const report = (members: object, unknownMembers: string[] = []) => ({ kind: 'report', report: members, unknownMembers })
  const full = {
    instanceId: 'crm_7.a:b-c', frontEndUrl: 'https://i7.example.com/打开?x=1', adminUrl: 'http://10.0.0.7:8080/admin', memo: '说明'.repeat(512),
  }
  const answers: Array<[status: number, body: unknown, meaning: object]> = [
    [200, undefined, report({ kind: 'ready' })],
    [204, undefined, report({ kind: 'ready' })],
    [200, ' \n', report({ kind: 'ready' })],
    [202, undefined, { kind: 'pending' }],
    [200, { status: 'ready' }, report({ kind: 'ready' })],
    [201, { status: 'ready', ...full }, report({ kind: 'ready', ...full })],
    [200, { status: 'ready', frontEndUrl: `https://example.com/${'a'.repeat(492)}`, adminUrl: null, usage: null }, report({ kind: 'ready', frontEndUrl: `https://example.com/${'a'.repeat(492)}` })],
    [200, { status: 'ready', usage: [{ usageValue: 12.5, statisticalTime: '2025-01-01T08:00:00+08:00', relatedInstanceId: null }] },
      report({ kind: 'ready', usage: [{ usageValue: 12.5, statisticalTime: Date.UTC(2025, 0, 1) }] })],
    [200, '\uFEFF{"status":"ready","frontendUrl":"https://a.example","__proto__":{}}', report({ kind: 'ready' }, ['frontendUrl'])],
    [200, { status: 'pending' }, { kind: 'pending' }],
    [202, { status: 'pending', retryAfterSeconds: 90 }, { kind: 'pending', retryAfterSeconds: 90 }],
    [200, { status: 'refused', reason: 'sold out' }, report({ kind: 'refused', reason: 'sold out' })],
  ]
  for (const [status, body, meaning] of answers) {
    seller.answer = { status, body }
    t.same(await hook.tell(created, undefined), meaning, `${status} ${JSON.stringify(body)?.slice(0, 80)}`)
  }
})

t.test('an answer that breaks the agreement is a failure that names the member', async (t) => {
  const { seller, hook } = await open(t)
  const broken: Array<[body: unknown, member: string]> = [
    [{}, 'status'],
    [{ status: 'done' }, 'status'],
    [{ status: 'ready', frontEndUrl: `https://example.com/${'a'.repeat(493)}` }, 'frontEndUrl'],
    [{ status: 'ready', frontEndUrl: 'javascript:alert(1)' }, 'frontEndUrl'],
    [{ status: 'ready', frontEndUrl: 'app.example.com' }, 'frontEndUrl'],
    [{ status: 'ready', frontEndUrl: 'https://a.example/\nx' }, 'frontEndUrl'],
    [{ status: 'ready', adminUrl: 7 }, 'adminUrl'],
    [{ status: 'ready', memo: 'm'.repeat(1025) }, 'memo'],
    [{ status: 'ready', instanceId: 'a,b' }, 'instanceId'],
    [{ status: 'ready', instanceId: 'a'.repeat(65) }, 'instanceId'],
    [{ status: 'ready', instanceId: '' }, 'instanceId'],
    [{ status: 'ready', usage: [{ usageValue: 1, statisticalTime: '20250101000000000' }] }, 'usage.0.statisticalTime'],
    [{ status: 'ready', usage: [{ usageValue: -1, statisticalTime: '2025-01-01T00:00:00Z' }] }, 'usage.0.usageValue'],
    [{ status: 'ready', usage: [{ usageValue: 1e8, statisticalTime: '2025-01-01T00:00:00Z' }] }, 'usage.0.usageValue'],
    [{ status: 'pending', retryAfterSeconds: 'soon' }, 'retryAfterSeconds'],
    [{ status: 'refused' }, 'reason'],
    [{ status: 'refused', reason: 'r'.repeat(256) }, 'reason'],
  ]
  for (const [body, member] of broken) {
    seller.answer = { status: 200, body }
    t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'member', member }, JSON.stringify(body).slice(0, 80))
  }
  for (const body of ['OK', '<html>', '[]', '"ready"', 'null', '{"status":']) {
    seller.answer = { status: 200, body }
    t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'not-json' }, body)
  }
  for (const status of [301, 302, 307, 400, 401, 404, 410, 429, 500, 503]) {
    seller.answer = { status, body: { status: 'ready' } }
    t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'status', status })
  }
  await fc.assert(fc.asyncProperty(fc.jsonValue(), async (body) => {
    seller.answer = { status: 200, body: JSON.stringify(body) }
    const { kind } = await hook.tell(created, undefined)
    return kind === 'failed' || (typeof body === 'object' && body !== null && 'status' in body)
  }), { numRuns: 50 })
})

t.test('a redirect is not followed, a slow, endless or broken answer costs little (C-16)', async (t) => {
  const { seller, hook } = await open(t, { timeoutSeconds: 0.2 })
  const other = await openSellerHook(t)
  seller.answer = (_call, response) => { response.writeHead(307, { location: other.url }).end() }
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'status', status: 307 })
  t.equal(other.calls.length, 0)

  seller.answer = () => {}
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'too-slow' }, 'no answer')
  seller.answer = (_call, response) => {
    response.writeHead(200)
    const drip = setInterval(() => response.write(' '), 10)
    response.on('close', () => { clearInterval(drip) })
  }
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'too-slow' }, 'an answer that drips for ever')

  seller.answer = { status: 200, body: ' '.repeat(65_536) }
  t.match(await hook.tell(created, undefined), { kind: 'report' }, '64 KiB may come')
  seller.answer = { status: 200, body: ' '.repeat(65_537) }
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'too-large' })
  seller.answer = (_call, response) => {
    response.writeHead(200)
    response.on('error', () => {})
    const chunk = Buffer.alloc(16_384, ' ')
    const pump = (): void => { while (!response.destroyed && response.write(chunk)); }
    response.on('drain', pump)
    pump()
  }
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'too-large' }, 'an answer without an end')

  seller.answer = (_call, response) => { response.socket?.destroy() }
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'unreachable' })
  seller.answer = (_call, response) => { response.writeHead(200).end(Buffer.from([0x7b, 0xff, 0x7d])) }
  t.match(await hook.tell(created, undefined), { kind: 'failed', why: 'not-json' }, 'no UTF-8')
})

t.test('nothing is sent in clear to another machine, and a certificate is checked whatever the environment says', async (t) => {
  const caller = openBoundedCaller({ largestAnswerBytes: 1000, dangerouslyAllowHttp: false })
  t.teardown(() => caller.close())
  const call = (url: string) => caller.call({ method: 'POST', url: new URL(url), headers: {}, body: '{}', timeoutMilliseconds: 2_000 })
  t.same(await call('http://hook.invalid/'), { kind: 'failed', why: 'insecure' })
  t.same(await call('http://127.0.0.1.example.invalid/'), { kind: 'failed', why: 'insecure' })

  let requests = 0
  const server = createServer({ key: selfSignedKey, cert: selfSignedCertificate }, (_request, response) => {
    requests++
    response.end()
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  })
  t.match(await call(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`), { kind: 'failed', why: 'unreachable', cause: { code: /CERT/ } })
  t.equal(requests, 0)
})

t.test('a change check is one signed question; only a clear yes is a yes (sync.md §4.7)', async (t) => {
  const { seller, clock, hook } = await open(t)
  const askChange = createAskChange({ hook, clock })
  const question = { realm: 'test', instanceId: 'i-1' as InstanceId, productInfo: { productId: 'OFFI2', linearValue: 20 } } as const
  const answers: Array<[answer: { status: number, body?: unknown }, meaning: object]> = [
    [{ status: 200, body: { status: 'fits' } }, { kind: 'fits' }],
    [{ status: 200, body: { status: 'refused', reason: '30 seats are in use' } }, { kind: 'unfit', reason: '30 seats are in use' }],
    [{ status: 204 }, { kind: 'failed', why: 'not-json' }],
    [{ status: 200, body: { status: 'ready' } }, { kind: 'failed', why: 'member', member: 'status' }],
    [{ status: 200, body: { status: 'refused' } }, { kind: 'failed', why: 'member', member: 'reason' }],
    [{ status: 500, body: { status: 'fits' } }, { kind: 'failed', why: 'status', status: 500 }],
  ]
  for (const [answer, meaning] of answers) {
    seller.answer = answer
    t.match(await askChange(question), meaning, JSON.stringify(answer))
  }
  const [first, second] = seller.calls
  if (first === undefined || second === undefined) throw new Error('no calls')
  t.ok(isSigned(first, newSecret))
  t.not(first.headers['webhook-id'], second.headers['webhook-id'], 'each question is another one')
  t.same(JSON.parse(first.body), {
    type: 'instance.change-check',
    timestamp: new Date(clock.now()).toISOString(),
    data: { instanceId: 'i-1', test: true, productInfo: { productId: 'OFFI2', linearValue: 20 } },
  })
})

t.test('a version and its time are two spellings of one moment', async (t) => {
  t.equal(versionAt(Date.UTC(2024, 11, 31, 16)), '20250101000000000')
  fc.assert(fc.property(fc.integer({ min: 0, max: Date.UTC(2200, 0) }), (time) => timeOf(versionAt(time)) === time))
})

// Made for this test; it belongs to nobody and opens nothing.
const selfSignedKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUnVbuaXcfmrlwe3/
tBouXZtAzSCcxaQFvnFeTnaeZ9OhRANCAASGWiS88cSJVOuo3FWhRNmU/BoE0jWq
tGcE9+Fejgwe121tHFOS9aKZh2MmBPysrtM36jvWWbiuV3aoZfqttvYt
-----END PRIVATE KEY-----
`
const selfSignedCertificate = `-----BEGIN CERTIFICATE-----
MIIBkTCCATagAwIBAgIUOwnWOY1EH2u+z+kFtp2qecKWULIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMjE1Mzc1MVoYDzIxMjYxMDI5
MTUzNzUxWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASGWiS88cSJVOuo3FWhRNmU/BoE0jWqtGcE9+Fejgwe121tHFOS9aKZ
h2MmBPysrtM36jvWWbiuV3aoZfqttvYto2QwYjAdBgNVHQ4EFgQUQUbf8o/S/74K
8lI8fNNKRnrblWwwHwYDVR0jBBgwFoAUQUbf8o/S/74K8lI8fNNKRnrblWwwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYC
IQCXLvryPTySy0w4x0FMdVh85cRGmchL8o/uiGnxyFSF1wIhALMbHDS0WoUOLzOp
kKD0fVhePeaNqujaAuWE/txB0RL+
-----END CERTIFICATE-----
`
