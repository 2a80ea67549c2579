import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { createRateLimiter } from '../../src/base/rate-limiter.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { Secret } from '../../src/base/secret.ts'
import { isOwnHost } from '../../src/console/is-own-host.ts'
import { registerConsole } from '../../src/console/register-console.ts'
import { versionAt } from '../../src/directory/push-version.ts'
import type { InstanceId, Realm, TenantId } from '../../src/directory/model.ts'
import type { InstancePush } from '../../src/directory/push-message.ts'
import { fingerprintOf } from '../../src/push/push-keys.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import { accountsPush, applicationPush, tenantPush } from '../support/directory-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'

const kitKey = new Secret('kit-key-canary-0001')
const buyer = { customerName: 'Buyer Canary', mobilePhone: '13800001234', email: 'buyer@canary.example' }
const personal = ['张三', 'zhangsan', ...Object.values(buyer), 'memo-canary', 'client-secret-1', 'kit-key-canary']

function creation (realm: Realm, id: string, now: number, expiresAt?: number): InstancePush {
  return {
    kind: 'instance',
    realm,
    version: versionAt(now),
    instanceId: id as InstanceId,
    change: {
      kind: 'create',
      spareInstanceId: `${id}-2` as InstanceId,
      order: { orderId: `order-${id}`, orderLineId: '' },
      businessId: id,
      buyer,
      provisioning: 'ready',
      frontEndUrl: 'https://app.example.com',
      ...(expiresAt !== undefined && { expiresAt }),
    },
  }
}

/** The console over a real store in which there is something of everything. */
async function openConsole (t: Test, { tenants = 1 } = {}) {
  const clock = new ManualClock(Date.UTC(2025, 0, 2))
  const storage = openLmdbStorage(t.testdir(), new SealedBox([Buffer.alloc(32, 1)]), clock)
  const { directory } = storage
  const now = clock.now()
  const record = {
    receivedAt: now,
    interface: 'tenantSync',
    generation: 'v2',
    realm: 'test',
    outcome: 'committed',
    resultCode: '000000',
    content: Buffer.from('{"name":"张三"}'),
    keyFingerprint: fingerprintOf(kitKey),
    tenantId: 'tenant-1' as TenantId,
  } as const
  await directory.commit(creation('production', 'instance-1', now, now + 86_400_000))
  await directory.commit({ ...creation('production', 'instance-1', now), change: { kind: 'provision', report: { kind: 'ready', memo: 'memo-canary' } } })
  await directory.commit(creation('production', 'instance-frozen', now))
  await directory.commit({ ...creation('production', 'instance-frozen', now + 1), change: { kind: 'status', status: 'frozen' } })
  await directory.commit(creation('test', 'instance-debug', now))
  await directory.commit(tenantPush(1, { name: 'Acme <b>&' }))
  await directory.commit(applicationPush(1))
  await directory.commit(accountsPush(1))
  for (let index = 1; index < tenants; index++) await directory.commit(tenantPush(1, { tenantId: `tenant-${index + 1000}` as TenantId }))
  const debug = { realm: 'test', tenantId: 'tenant-debug' as TenantId, instanceId: 'instance-debug' as InstanceId, name: 'Debug Ltd' } as const
  await directory.commit(tenantPush(1, debug), { signatureDigest: 'digest', expiresAt: now, record })
  await storage.keyUsage.see('kit', [fingerprintOf(kitKey), '0ddba11f'], now)
  await storage.keyUsage.use('kit', fingerprintOf(kitKey), now)
  const app = Fastify()
  await registerConsole(app, {
    ...storage,
    keys: { current: () => ({ kitKeys: [kitKey], productionKeys: [], privateKeys: [] }) },
    clock,
    graceDays: 1,
    applicationName: 'Test application',
    rateLimiter: createRateLimiter(storage.rateLimits, clock),
    perAddress: 600,
    operatorHost: '10.0.0.5',
  })
  t.teardown(async () => {
    await app.close()
    await storage.close()
  })
  const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers: { host: '127.0.0.1:8081', ...headers } })
  return { app, get, storage, clock }
}

t.test('the page shows tenants, instances with their contract, pushes, keys and what waits; test data in a section of its own', async (t) => {
  const { get } = await openConsole(t)
  const page = await get('/', { 'accept-language': 'en' })
  t.equal(page.statusCode, 200)
  const [production = '', test = ''] = page.payload.slice(page.payload.indexOf('id="production"')).split('id="test"')
  t.match(production, /Acme &lt;b&gt;&amp;/)
  t.match(production, /instance-1<\/code><\/td><td><span class="badge good">active<\/span><\/td><td>2025-01-03 00:00:00/)
  t.match(production, /instance-frozen<\/code><\/td><td><span class="badge bad">frozen/)
  t.notMatch(production, /instance-debug|Debug Ltd/)
  t.match(test, />Test data<.*Debug Ltd.*instance-debug/s)
  t.notMatch(test, /Acme|instance-1</)
  t.match(page.payload, new RegExp(`${fingerprintOf(kitKey)}</code></td><td>2025-01-02 00:00:00</td><td>2025-01-02 00:00:00</td><td class="number">1<`))
  t.match(page.payload, /0ddba11f<\/code> <span class="badge">no longer configured/)
  t.match(page.payload, /instance\.frozen<\/td><td><code>instance-frozen/)
  t.match(page.payload, /tenantSync <span class="soft">v2<\/span> <span class="badge test">test<\/span>/)
})

t.test('zh-CN by Accept-Language, both by the switch; no script, headers of every own page, nothing to do but read', async (t) => {
  const { app, get } = await openConsole(t)
  const chinese = await get('/', { 'accept-language': 'zh-CN,zh;q=0.9' })
  t.match(chinese.payload, /<html lang="zh-CN">.*运维控制台.*测试数据/s)
  t.match((await get('/?lang=en', { 'accept-language': 'zh-CN' })).payload, /<html lang="en">/)
  t.match(chinese.headers, {
    'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'content-security-policy': /default-src 'none'; style-src 'self'/, 'x-content-type-options': 'nosniff',
  })
  t.notMatch(chinese.payload, /<script|<form|style=|\son\w+=/)
  for (const [, path = ''] of chinese.payload.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)) t.equal((await get(path)).statusCode, 200, path)
  for (const method of ['POST', 'PUT', 'DELETE'] as const) t.equal((await app.inject({ method, url: '/', headers: { host: 'localhost' } })).statusCode, 404)
})

t.test('neither the page nor /api/status holds a personal value or a secret (T-38)', async (t) => {
  const { get } = await openConsole(t)
  const [page, status] = [await get('/'), await get('/api/status')]
  for (const value of personal) t.notOk((page.payload + status.payload).includes(value), value)
  t.match(status.json(), {
    application: 'Test application',
    production: { tenants: { rows: [{ tenantId: 'tenant-1', isBound: true }], isCut: false }, instances: { rows: [{ instanceId: 'instance-1', state: 'active' }, { state: 'frozen' }] } },
    test: { tenants: { rows: [{ name: 'Debug Ltd' }] }, instances: { rows: [{ instanceId: 'instance-debug' }] } },
    keys: [{ kind: 'kit', uses: 1, isConfigured: true }, { fingerprint: '0ddba11f', isConfigured: false }],
    outbox: { waiting: 3, entries: [{ type: 'instance.created', attempts: 0 }, {}, {}] },
  })
  t.equal(status.headers['cache-control'], 'no-store')
})

t.test('lists are bounded and say so', async (t) => {
  const { get } = await openConsole(t, { tenants: 205 })
  const { production } = (await get('/api/status')).json()
  t.equal(production.tenants.rows.length, 200)
  t.equal(production.tenants.isCut, true)
  t.match((await get('/', { 'accept-language': 'en' })).payload, /The first 200 only/)
})

t.test('a name that is not this machine\'s gets no answer: DNS rebinding', async (t) => {
  const { app } = await openConsole(t)
  for (const url of ['/', '/api/status']) {
    for (const host of ['attacker.example', 'attacker.example:8081', '127.0.0.1.attacker.example', 'localhost.attacker.example']) {
      t.equal((await app.inject({ url, headers: { host } })).statusCode, 421, host)
    }
    t.equal((await app.inject({ url, headers: { host: '10.0.0.5:8081' } })).statusCode, 200, 'the configured host')
  }
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:8081', '127.1.2.3', '[::1]:8081', '10.0.0.5']) t.ok(isOwnHost(host, '10.0.0.5'), host)
  for (const host of [undefined, '127.0.0.1@x', '127.0.0.256', '[::2]', '10.0.0.6', 'a:b:c', '[', '127.0.0.1:']) t.notOk(isOwnHost(host, '10.0.0.5'), String(host))
  t.ok(isOwnHost('[2001:db8::1]:8081', '2001:db8::1'))
})

t.test('a store that does not answer is a 503, never an empty console (C-35)', async (t) => {
  const { get, storage } = await openConsole(t)
  await storage.close()
  for (const url of ['/', '/api/status']) t.match(await get(url), { statusCode: 503, payload: /GW_STORAGE_UNAVAILABLE/ })
})

t.test('the gateway that `serve` composes has the console on its operator listener, and nowhere else', async (t) => {
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId: 'tenant-1', domainName: 'https://sunrise.example.com', name: 'Sunrise Ltd' })
  const status = (await gateway.operatorApp.inject('/api/status')).json()
  t.match(status, { production: { tenants: { rows: [{ tenantId: 'tenant-1', name: 'Sunrise Ltd' }] } }, keys: [{ kind: 'kit', uses: 2, isConfigured: true }, { kind: 'production' }] })
  t.match(status.pushes.map((push: { interface: string }) => push.interface), ['applicationSync', 'tenantSync'])
  t.match(await gateway.operatorApp.inject('/'), { statusCode: 200, payload: /Sunrise Ltd/ })
  t.equal((await gateway.operatorApp.inject({ url: '/', headers: { host: 'attacker.example' } })).statusCode, 421)
  t.equal((await gateway.operatorApp.inject({ url: '/healthz/ready', headers: { host: 'attacker.example' } })).statusCode, 200, 'a probe may use any name')
  const outside = await fetch(`${gateway.url}/api/status`, { redirect: 'manual' })
  t.equal(outside.status, 401, 'the public listener leads to the application only')
})
