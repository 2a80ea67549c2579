import { randomBytes } from 'node:crypto'
import t from 'tap'
import { request } from 'undici'
import { faults } from '../../src/base/coded-errors.ts'
import { createRateLimiter } from '../../src/base/rate-limiter.ts'
import { createFailedCalls } from '../../src/push/failed-calls.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { openTestGateway, sendPush, toPushTime, type TestGateway } from '../support/build-gateway.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { readLog, readRefusal } from '../support/sign-in-steps.ts'
import { bindTenant, comeBack, lihua, signIn, tenantId, until } from '../support/signed-in.ts'

const limits = (values: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`JOINTGATE_RATE_LIMITS_${name}`, value]))
const trusting = { JOINTGATE_TRUSTED_PROXIES: '127.0.0.1' }
const crossSite = { 'sec-fetch-site': 'cross-site' }
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address })
/** Tests begin anywhere in a minute; these count from its first second. */
const toNextMinute = ({ clock }: Pick<TestGateway, 'clock'>): void => { clock.set(clock.now() - clock.now() % 60_000 + 60_000) }

t.test('C-18: each step of a sign-in is limited for each address; a page, a problem body and a log line say so', async (t) => {
  const gateway = await openTestGateway(t, { env: { ...limits({ SIGN_IN_PER_ADDRESS: '3' }), ...trusting } })
  const server = await bindTenant(t, gateway)
  toNextMinute(gateway)
  gateway.clock.advance(18_000)
  const steps: [string, 'GET' | 'POST'][] = [
    ['/_gate/sign-in', 'GET'], ['/_gate/sign-in', 'POST'], [`/_gate/callback?code=x&tenant=${tenantId}`, 'GET'], ['/_gate/confirm', 'GET'], ['/_gate/confirm', 'POST'],
    ['/_gate/choose', 'POST'], ['/_gate/sign-out', 'POST'],
  ]
  for (const [path, method] of steps) {
    const visit = (address = '203.0.113.7') => gateway.browser().open(path, { method, headers: from(address), ...(method === 'POST' ? { form: {} } : {}) })
    for (let count = 0; count < 3; count++) t.not((await visit()).status, 429, `${method} ${path}`)
    const calls = server.calls.length
    const page = await visit()
    t.match(page, { status: 429, headers: { 'retry-after': '42', 'cache-control': 'no-store' }, body: /in about 42 seconds/ })
    const told = readRefusal(page)
    t.equal(told.reason, 'too-many-requests')
    const again = /\/(?:choose|sign-out)$/.exec(path)?.[0] ?? '/sign-in'
    t.match(page.body, `href="/_gate${again}"`, 'whoever is signed in is not sent to sign in')
    t.match(readLog(gateway, 'access.refused').at(-1), { ...told, limit: 'address', clientAddress: '203.0.113.7' })
    const problem = await gateway.browser().fetch(path, { method, headers: { ...from('203.0.113.7'), 'accept-language': 'zh-CN' }, ...(method === 'POST' ? { form: {} } : {}) })
    t.match(problem, { status: 429, headers: { 'retry-after': '42', 'content-type': /problem\+json/ } })
    t.match(JSON.parse(problem.body), { reason: 'too-many-requests', title: '请求过多' })
    if (path === '/_gate/sign-in') t.match((await gateway.browser().open(`${path}?lang=zh-CN`, { headers: from('203.0.113.7') })).body, /lang="zh-CN"/)
    t.equal(server.calls.length, calls)
    t.not((await visit('203.0.113.8')).status, 429, 'another address is another matter')
  }
  t.same((await gateway.browser().open('/_gate/signed-out', { headers: from('203.0.113.7') })).status, 200, 'pages that only tell something are not limited')
  gateway.clock.advance(42_000)
  t.not((await gateway.browser().submit('/_gate/sign-in', {}, from('203.0.113.7'))).status, 429, 'a minute later')
})

t.test('a company behind one address comes in together: 300 sign-ins in a minute, by the defaults', { timeout: 60_000 }, async (t) => {
  const gateway = await openTestGateway(t)
  const server = await bindTenant(t, gateway)
  toNextMinute(gateway)
  for (let round = 0; round < 30; round++) await Promise.all(Array.from({ length: 10 }, () => signIn(gateway, server)))
  t.same(readLog(gateway, 'access.refused'), [])
})

t.test('C-18: callbacks of one enterprise are limited whatever addresses they come from, of no other', async (t) => {
  const gateway = await openTestGateway(t, { env: { ...limits({ SIGN_IN_PER_TENANT: '4' }), ...trusting } })
  const server = await bindTenant(t, gateway)
  toNextMinute(gateway)
  const arrive = (tenant: string, address: string) => gateway.browser().open(`/_gate/callback?code=x&tenant=${tenant}`, { headers: { ...crossSite, ...from(address) } })
  for (let count = 0; count < 4; count++) t.not((await arrive(tenantId, `203.0.113.${count}`)).status, 429)
  const calls = server.calls.length
  t.match(await arrive(tenantId, '203.0.113.99'), { status: 429, body: /too-many-requests/ })
  t.match(readLog(gateway, 'access.refused').at(-1), { limit: 'tenant' })
  t.equal(server.calls.length, calls, 'its authorization server is left in peace')
  t.match(await arrive('another', '203.0.113.99'), { status: 403, body: /tenant-unknown/ })
})

t.test('T-21: the address in limits, logs and for the application: by default the connection, behind a trusted proxy the right-most hop', async (t) => {
  const [plain, trustingOne] = [await openTestGateway(t, { env: limits({ SIGN_IN_PER_ADDRESS: '2' }) }), await openTestGateway(t, { env: { ...limits({ SIGN_IN_PER_ADDRESS: '2' }), ...trusting } })]
  for (const [gateway, expected] of [[plain, '127.0.0.1'], [trustingOne, '198.51.100.7']] as const) {
    const server = await bindTenant(t, gateway)
    toNextMinute(gateway)
    const browser = await signIn(gateway, server)
    await browser.open('/', { headers: from('127.0.0.1, 198.51.100.7') })
    t.same(gateway.upstream.requests.at(-1)?.headers['x-forwarded-for'], expected)
    gateway.clock.advance(60_000)
    const visits = ['1.1.1.1, 198.51.100.7', '2.2.2.2, 198.51.100.7', '3.3.3.3,198.51.100.7'].map((forwarded) => from(forwarded))
    const answers = []
    for (const headers of visits) answers.push((await gateway.browser().submit('/_gate/sign-in', {}, { ...headers, forwarded: 'for=4.4.4.4', 'x-real-ip': '5.5.5.5' })).status)
    t.same(answers, [303, 303, 429], 'what the client writes in front changes nothing')
    t.equal(readLog(gateway, 'access.refused').at(-1)?.['clientAddress'], expected)
    const lie = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'ftp', host: 'evil.example' }
    gateway.clock.advance(60_000)
    const signOut = await browser.submit('/_gate/sign-out', {}, lie)
    t.match(decodeURIComponent(signOut.location), `redirect_url=${gateway.url}/`, 'host and scheme come from the public URL alone')
  }
  toNextMinute(trustingOne)
  const answers = []
  for (const host of ['1', '2', 'ffff:1']) answers.push((await trustingOne.browser().submit('/_gate/sign-in', {}, from(`2001:db8:7:7::${host}`))).status)
  t.same(answers, [303, 303, 429], 'one IPv6 network of 64 bits is one client')
})

t.test('the store cannot count: 503, nobody begins a sign-in, nobody who is in is troubled', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await bindTenant(t, gateway)
  const browser = await signIn(gateway, server)
  const { rateLimits } = gateway.storage
  const count = rateLimits.count.bind(rateLimits)
  rateLimits.count = () => Promise.reject(new faults.StorageUnavailable())
  const calls = server.calls.length
  t.match(await comeBack(gateway.browser(), server.issueCode(lihua)), { status: 503, headers: { 'retry-after': /\d/ }, body: /GW_STORAGE_UNAVAILABLE/ })
  t.equal(server.calls.length, calls)
  t.equal((await browser.open('/')).body, 'the application')
  t.match(await gateway.push('tenantSync', { tenantId, flag: 0 }), { resultCode: '000000' }, 'a good push needs no counting')
  rateLimits.count = count
})

/** Sends bodies that no key has signed. */
async function flood (gateway: TestGateway, count: number, bytes = 10): Promise<string[]> {
  const body = JSON.stringify({ filler: 'x'.repeat(bytes) })
  const one = async (): Promise<string> => {
    const headers = signKitV2('nobody-s-key-0123456789', body, randomBytes(16).toString('hex'), gateway.clock.now())
    const answer = await request(`${gateway.url}/_gate/marketplace/produceAPI/v2/authSync`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
    t.equal(answer.statusCode, 200, 'the marketplace\'s way')
    return (await answer.body.json() as { resultMsg: string }).resultMsg
  }
  return await Promise.all(Array.from({ length: count }, one))
}

t.test('a flood of badly signed pushes never stops a good one from the same address, and large ones of it wait in line', { timeout: 60_000 }, async (t) => {
  const gateway = await openTestGateway(t, { env: limits({ FAILED_PUSHES_PER_ADDRESS: '5' }) })
  toNextMinute(gateway)
  t.ok((await flood(gateway, 12)).every((message) => message.includes('authentication failed')))
  await until(() => readLog(gateway, 'push.failures-limited').length > 0)
  t.match(readLog(gateway, 'push.failures-limited'), [{ level: 'warn', clientAddress: '127.0.0.1' }])
  const large = await flood(gateway, 12, 300_000)
  t.ok(large.some((message) => message.includes('try again')), 'those that found the line full were not even verified')
  t.ok(large.some((message) => message.includes('authentication failed')))

  const [, tenant] = await Promise.all([
    flood(gateway, 40), gateway.push('tenantSync', { tenantId, tenantCode: 'x', name: 'x', domainName: 'https://sso.example.com', orderId: 'o', flag: 1 }),
  ])
  t.match(tenant, { resultCode: '000000' })
  const userList = Array.from({ length: 1000 }, (_, index) => ({ userName: `user-${index}`, name: 'x'.repeat(60), orgCode: '1', role: 'user', enable: 'true' }))
  const sync = await gateway.push('authSync', { tenantId, appId: gateway.config.application.id, flag: 1, currentSyncTime: toPushTime(gateway.clock.now()), userList })
  t.match(sync, { resultCode: '000000' }, 'a large good one waits its turn and is taken')
  t.equal(readLog(gateway, 'push.failures-limited').length, 1, 'said once a minute')
  gateway.clock.advance(60_000)
  t.ok((await flood(gateway, 4, 300_000)).every((message) => message.includes('authentication failed')), 'a minute later nobody waits')
})

t.test('good pushes are not counted: ten times the limit of them pass', async (t) => {
  const gateway = await openTestGateway(t, { env: limits({ FAILED_PUSHES_PER_ADDRESS: '3' }) })
  let counts = 0
  const { rateLimits } = gateway.storage
  const count = rateLimits.count.bind(rateLimits)
  rateLimits.count = (...of) => { counts++; return count(...of) }
  for (let index = 0; index < 30; index++) {
    t.match(await gateway.push('tenantSync', { tenantId: `t-${index}`, tenantCode: 'x', name: 'x', domainName: 'https://sso.example.com', orderId: 'o', flag: 1 }), { resultCode: '000000' })
  }
  t.equal(counts, 0)
  const stale = await sendPush(`${gateway.url}/_gate`, 'tenantSync', '{}', gateway.clock.now() - 120_000)
  t.match(stale, { resultCode: '000001' })
  await until(() => counts === 1)
})

t.test('T-48: pushes from five minutes off are refused as the protocol says, in 2040 as now', async (t) => {
  const gateway = await openTestGateway(t)
  for (const now of [gateway.clock.now(), Date.UTC(2040, 1, 29, 23, 59)]) {
    gateway.clock.set(now)
    for (const [skew, code] of [[-300_000, '000001'], [-60_000, '000002'], [60_000, '000002'], [300_000, '000001']] as const) {
      t.equal((await sendPush(`${gateway.url}/_gate`, 'tenantSync', '{}', now + skew)).resultCode, code, `${skew}`)
    }
    const server = await bindTenant(t, gateway)
    t.equal((await (await signIn(gateway, server)).open('/')).body, 'the application')
  }
})

t.test('back-channel logout and the operators\' console have limits of their own; health probes have none', async (t) => {
  const secret = 'b1946ac92492d2347c6235b4d2611184'
  const gateway = await openTestGateway(t, { env: { ...limits({ BACKCHANNEL_LOGOUT_PER_ADDRESS: '2', OPERATOR_PER_ADDRESS: '2' }), JOINTGATE_BACKCHANNEL_LOGOUT_SECRET: secret } })
  toNextMinute(gateway)
  const logOut = async () => {
    const answer = await request(`${gateway.url}/_gate/backchannel-logout/${secret}`, { method: 'POST', body: 'tenant=x&userName=y', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    await answer.body.dump()
    return [answer.statusCode, answer.headers['retry-after'], answer.headers['cache-control']]
  }
  t.same([await logOut(), await logOut(), await logOut()], [[200, undefined, 'no-store'], [200, undefined, 'no-store'], [429, '60', 'no-store']])

  const look = async (url: string) => (await gateway.operatorApp.inject({ url, headers: { host: '127.0.0.1:8081' } })).statusCode
  t.same([await look('/'), await look('/api/status'), await look('/'), await look('/api/status')], [200, 200, 429, 429])
  for (let probe = 0; probe < 5; probe++) t.equal(await look('/healthz/live'), 200)
  gateway.clock.advance(60_000)
  t.equal(await look('/'), 200)
})

t.test('the limiter: counts are of one minute, and whoever is over costs no more writes', async (t) => {
  const clock = new ManualClock(60_000 * 1000)
  const counted: string[] = []
  const limiter = createRateLimiter({ count: async (key) => counted.push(key) }, clock)
  const say = async (limit = 2) => (await limiter.count('what', 'who', limit)).kind
  t.same([await say(), await say(), await say(), await say(), await say()], ['within', 'within', 'over', 'over', 'over'])
  t.equal(counted.length, 3)
  t.same(await limiter.count('what', 'who', 2), { kind: 'over', retryAfterSeconds: 60 })
  clock.advance(59_500)
  t.same(await limiter.count('what', 'who', 2), { kind: 'over', retryAfterSeconds: 1 })
  t.equal((await limiter.count('other', 'who', 9)).kind, 'within')
  clock.advance(500)
  t.equal(await say(99), 'within')
})

t.test('failed calls: verification of a small body is never held back, of a large one only behind the same client\'s', async (t) => {
  const clock = new ManualClock(60_000 * 1000)
  const logged: unknown[] = []
  const failed = createFailedCalls({
    rateLimiter: { count: async () => ({ kind: 'over', retryAfterSeconds: 60 }) },
    clientAddressOf: ({ headers }) => String(headers['x-who']),
    clock,
    perAddress: 1,
    log: (level) => { logged.push(level) },
  })
  const by = (who: string) => ({ headers: { 'x-who': who } }) as never
  failed.note(by('a'))
  await new Promise(setImmediate)
  let running = 0
  const waiting: (() => void)[] = []
  const verify = () => new Promise<string>((resolve) => {
    running++
    waiting.push(() => { running--; resolve('done') })
  })
  const large = Array.from({ length: 6 }, () => failed.pass(by('a'), 65_537, verify))
  t.same(await Promise.all(large.slice(4)), [undefined, undefined], 'four wait, more are told to try again')
  await new Promise(setImmediate)
  t.equal(running, 1)
  const others = [failed.pass(by('b'), 65_537, verify), failed.pass(by('a'), 65_536, verify)]
  t.equal(running, 3, 'another client\'s large one and its own small one run at once')
  for (let turn = 0; turn < 6; turn++) {
    waiting.splice(0).forEach((end) => { end() })
    await new Promise(setImmediate)
  }
  t.same(await Promise.all([...large.slice(0, 4), ...others]), Array.from({ length: 6 }, () => 'done'))
  await t.rejects(failed.pass(by('a'), 70_000, () => Promise.reject(new Error('x'))), 'a fault reaches its caller')
  t.equal(await failed.pass(by('a'), 70_000, async () => 'on'), 'on', 'and the line goes on')
  t.same(logged, ['warn'])
})
