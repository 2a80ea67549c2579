import t from 'tap'
import { appId, openTestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { lihua, storedSession, tenantId, until } from '../support/signed-in.ts'

t.test('each setting of the whole gateway does what the manual says', async (t) => {
  const gateway = await openTestGateway(t, {
    env: {
      JOINTGATE_PREFIX: '/x/gate',
      JOINTGATE_APPLICATION_NAME: '订单 & Orders',
      JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: 'https://login.example/unified/#/elsewhere',
      JOINTGATE_MARKETPLACE_TENANT_DOMAINS: '127.0.0.1,tenantaccount.com',
      JOINTGATE_UPSTREAM_TIMEOUT_SECONDS: '1',
      JOINTGATE_SESSION_RENEWAL_GRACE_SECONDS: '7',
      JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '20',
    },
  })
  const server = await openFakeAuthorizationServer(t)
  server.tokenMembers = { expires_in: 60, token_type: 'Bearer' }

  const foreign = { tenantId, tenantCode: 'x', name: 'x', orderId: 'o', flag: 1, domainName: 'https://tenantaccount.com.evil.example' }
  t.match(await gateway.push('tenantSync', foreign), { resultCode: '000002', resultMsg: /domainName/ }, 'no other domain (T-10)')
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', name: '李华' }] })

  const browser = gateway.browser()
  t.equal((await browser.open('/orders')).location, '/x/gate/sign-in?return_to=%2Forders')
  const page = await browser.open('/x/gate/sign-in')
  t.match(page.body, /订单 &amp; Orders/)
  const left = await browser.submit('/x/gate/sign-in', { return_to: '/orders' })
  t.equal(left.location, `https://login.example/unified/#/elsewhere?ind=UNOP&appId=${appId}`)
  const back = await browser.open(`/x/gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`, { headers: { 'sec-fetch-site': 'cross-site' } })
  t.equal(back.location, '/orders')
  t.equal(server.calls[0]?.form['redirect_uri'], `${gateway.url}/x/gate/callback`)
  t.equal((await browser.open('/_gate/sign-in')).body, 'the application', 'the default prefix is the application\'s now')

  await t.test('a short idle limit ends nobody who is active', async (t) => {
    for (let request = 0; request < 4; request++) {
      gateway.clock.advance(9_000)
      const { revision } = await storedSession(gateway, browser.cookieHeader()) ?? { revision: 0 }
      t.equal((await browser.open('/')).status, 200)
      // The sighting is written beside the request.
      while ((await storedSession(gateway, browser.cookieHeader()))?.revision === revision) await new Promise(setImmediate)
    }
  })

  await t.test('the grace after a token\'s end is the one that was set', async (t) => {
    server.misbehaviours.set('token', 'status-500')
    const session = await storedSession(gateway, browser.cookieHeader())
    const graceEndsAt = (session?.tokens.expiresAt ?? 0) + 7_000
    gateway.clock.set(graceEndsAt - 18_000)
    t.equal((await browser.open('/')).status, 200)
    await until(async () => (await storedSession(gateway, browser.cookieHeader()))?.lastSeenAt === gateway.clock.now())
    gateway.clock.set(graceEndsAt - 1)
    t.equal((await browser.open('/')).status, 200)
    gateway.clock.set(graceEndsAt)
    t.equal((await browser.open('/')).location, '/x/gate/sign-in?because=tokens-ended')
    server.misbehaviours.clear()
  })

  await t.test('an application that is too slow is given up after the time that was set', async (t) => {
    await browser.submit('/x/gate/sign-in')
    await browser.open(`/x/gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`)
    gateway.upstream.answer = () => {}
    t.match(await browser.fetch('/slow'), { status: 504, body: /GW_UPSTREAM_TIMEOUT/ })
  })
})

t.test('the push log keeps what is younger and fits, as set: what runs each minute removes the rest', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_RETENTION_PUSH_LOG_DAYS: '2', JOINTGATE_RETENTION_PUSH_LOG_MEGABYTES: '1' } })
  const tenant = { tenantCode: 'x', name: 'x', orderId: 'o', flag: 1, domainName: 'https://tenantaccount.com' }
  const push = (tenantId: string, extra = {}) => gateway.push('tenantSync', { ...tenant, tenantId, ...extra })
  const { pushLog } = gateway.storage
  await push('tenant-1')
  gateway.clock.advance(86_400_000)
  await push('tenant-2')
  gateway.clock.advance(86_400_000 + 1)
  await gateway.tidyUp()
  t.same(await pushLog.range(), { first: 2, last: 2 }, 'older than two days')
  for (const tenantId of ['tenant-3', 'tenant-4']) t.match(await push(tenantId, { unknownMember: 'x'.repeat(600_000) }), { resultCode: '000000' })
  await gateway.tidyUp()
  t.same(await pushLog.range(), { first: 4, last: 4 }, 'more than a megabyte: the oldest go')
})
