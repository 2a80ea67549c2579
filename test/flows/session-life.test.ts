import t from 'tap'
import { cookieNames } from '../../src/session/cookies.ts'
import { faults } from '../../src/base/coded-errors.ts'
import { appId, openTestGateway, type TestGateway } from '../support/build-gateway.ts'
import type { Browser } from '../support/browser.ts'
import type { FakeAuthorizationServer, Misbehaviour } from '../support/fake-authorization-server.ts'
import { bindTenant, comeBack, lihua, signIn, storedSession, tenantId, until } from '../support/signed-in.ts'

const second = 1000
const ownCookies = (browser: Browser): string[] => [...browser.cookies.keys()].filter((name) => name.startsWith('__Host-jointgate'))
const refreshes = (server: FakeAuthorizationServer) => server.calls.filter(({ form }) => form['grant_type'] === 'refresh_token')
const isIn = async (browser: Browser): Promise<boolean> => (await browser.open('/')).body === 'the application'

/** A browser with the cookies that another had at this moment, as a thief would have it. */
function copyOf (gateway: TestGateway, browser: Browser): Browser {
  const copy = gateway.browser()
  for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
  return copy
}

t.test('sign-out', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await bindTenant(t, gateway)
  const logoutUrl = `${server.url}/api/v1/logout?redirect_url=${encodeURIComponent(`${gateway.url}/_gate/signed-out`)}`

  await t.test('the button ends our session and its tokens first, then leads to the tenant\'s logout (T-13, C-26)', async (t) => {
    const browser = await signIn(gateway, server)
    const thief = copyOf(gateway, browser)
    t.ok(await isIn(thief))
    const calls = server.calls.length
    for (const endpoint of ['token', 'userinfo'] as const) server.misbehaviours.set(endpoint, 'hang')
    const startedAt = performance.now()
    const answer = await browser.submit('/_gate/sign-out')
    t.ok(performance.now() - startedAt < 500, 'the authorization server that hangs delays nothing (T-30)')
    server.misbehaviours.clear()
    t.equal(answer.status, 303)
    t.equal(answer.location, logoutUrl)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(server.calls.length, calls, 'nothing was asked of the authorization server')
    t.equal(await storedSession(gateway, thief.cookieHeader()), undefined, 'the tokens are gone from the store')
    t.same(ownCookies(browser), [], 'no cookie of ours is left (T-14)')
    const replay = await thief.open('/reports')
    t.equal(replay.status, 303)
    t.match(replay.location, '/_gate/sign-in?return_to=%2Freports&because=session-unknown')
    t.equal((await thief.fetch('/reports')).status, 401)
  })

  await t.test('an authorization server that is gone is none of our business (T-30)', async (t) => {
    const browser = await signIn(gateway, server)
    const answer = await gateway.push('tenantSync', { tenantId, tenantCode: 'sunrise', name: '晨曦科技', domainName: 'http://127.0.0.1:1', orderId: 'order-1', flag: 2 })
    t.equal(answer.resultCode, '000000')
    const page = await browser.open('/_gate/sign-out')
    t.equal(page.status, 200)
    const left = await browser.submit('/_gate/sign-out')
    t.match(left.location, /^http:\/\/127\.0\.0\.1:1\/api\/v1\/logout\?redirect_url=/)
    t.notOk(await isIn(browser))
    await gateway.bind({ tenantId, domainName: server.url })
  })

  await t.test('a script is told where the browser must go', async (t) => {
    const browser = await signIn(gateway, server)
    const thief = copyOf(gateway, browser)
    const answer = await browser.fetch('/_gate/sign-out', { method: 'POST' })
    t.equal(answer.status, 200)
    t.same(JSON.parse(answer.body), { continueAt: logoutUrl })
    t.same(ownCookies(browser), [])
    t.notOk(await isIn(thief))
  })

  await t.test('a link shows the button and signs nobody out', async (t) => {
    const browser = await signIn(gateway, server)
    const page = await browser.open('/_gate/sign-out')
    t.equal(page.status, 200)
    t.match(page.body, /<form[^>]+method="post"[^>]+action="\/_gate\/sign-out"|<form[^>]+action="\/_gate\/sign-out"[^>]+method="post"/)
    t.match(page.body, '李华')
    t.match(page.headers['content-security-policy'], `form-action 'self' https: ${server.url}`, 'the browser may follow to the logout')
    t.ok(await isIn(browser))
  })

  await t.test('another site can sign nobody out: image, link, form, script, or a form of a browser without Fetch Metadata (T-31)', async (t) => {
    const browser = await signIn(gateway, server)
    const crossSite = { 'sec-fetch-site': 'cross-site' }
    await browser.open('/_gate/sign-out', { headers: { ...crossSite, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/*' } })
    await browser.open('/_gate/sign-out', { headers: crossSite })
    const forms: Record<string, string>[] = [
      crossSite,
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': '', origin: gateway.url },
      { ...crossSite, origin: gateway.url },
    ]
    for (const headers of forms) {
      const answer = await browser.submit('/_gate/sign-out', {}, headers)
      t.equal(answer.status, 403, JSON.stringify(headers))
      t.match(answer.body, 'cross-site-request')
    }
    const old = { accept: 'text/html', cookie: browser.cookieHeader() }
    for (const origin of [{}, { origin: 'null' }, { origin: 'https://evil.example' }, { origin: gateway.url.replace('127.0.0.1', 'localhost') }]) {
      const answer = await fetch(`${gateway.url}/_gate/sign-out`, { method: 'POST', redirect: 'manual', headers: { ...old, 'sec-fetch-mode': 'cors', ...origin } })
      t.equal(answer.status, 403, JSON.stringify(origin))
      await answer.body?.cancel()
    }
    t.ok(await isIn(browser))
    const own = await fetch(`${gateway.url}/_gate/sign-out`, { method: 'POST', redirect: 'manual', headers: { ...old, origin: gateway.url } })
    t.equal(own.status, 200, 'our own page in such a browser may')
    await own.body?.cancel()
    t.notOk(await isIn(browser))
  })

  await t.test('whoever is not signed in is led to the page that says so', async (t) => {
    const browser = gateway.browser()
    const location = `${gateway.url}/_gate/signed-out`
    const headers = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }
    t.match(await browser.open('/_gate/sign-out'), { status: 303, location, headers })
    t.match(await browser.submit('/_gate/sign-out'), { status: 303, location, headers })
    const page = await browser.open('/_gate/signed-out')
    t.equal(page.status, 200)
    t.match(page.body, 'href="/_gate/sign-in"')
    t.notOk('set-cookie' in page.headers)
  })

  await t.test('a question that this browser left open ends with the sign-out, and so does a login begun', async (t) => {
    const browser = await signIn(gateway, server)
    await browser.open(`/_gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`)
    await browser.submit('/_gate/sign-in')
    const kept = copyOf(gateway, browser)
    t.equal((await browser.open('/_gate/confirm')).status, 200)
    await browser.submit('/_gate/sign-out')
    t.same(ownCookies(browser), [])
    t.match(await kept.open('/_gate/confirm'), { status: 403, body: /confirmation-expired/ }, 'its tokens are gone too')
  })

  await t.test('the session ends also if the store cannot say where its tenant signs out (C-52)', async (t) => {
    const browser = await signIn(gateway, server)
    const thief = copyOf(gateway, browser)
    const { directory } = gateway.storage
    const viewTenant = directory.viewTenant.bind(directory)
    directory.viewTenant = () => Promise.reject(new faults.StorageCorrupt())
    const answer = await browser.submit('/_gate/sign-out')
    directory.viewTenant = viewTenant
    t.match(answer, { status: 503, body: /GW_STORAGE_CORRUPT/ })
    t.notOk(await isIn(thief))
  })

  await t.test('a slow request of the session under way keeps it from ending no more than a renewal does (T-13)', async (t) => {
    server.tokenMembers = { expires_in: 600, token_type: 'Bearer' }
    const browser = await signIn(gateway, server)
    const thief = copyOf(gateway, browser)
    let isHeld = false
    let release = (): void => {}
    gateway.upstream.answer = (_request, response) => {
      isHeld = true
      release = () => { response.end('late') }
    }
    let work = (): void => {}
    server.misbehaviours.set('token', (_response, go) => { work = go })
    const called = server.nextCall('token')
    gateway.clock.advance(500 * second)
    const slow = browser.open('/slow')
    await until(() => isHeld)
    await called
    await browser.submit('/_gate/sign-out')
    gateway.upstream.answer = (_request, response) => { response.end('the application') }
    const { sessions } = gateway.storage
    const find = sessions.find.bind(sessions)
    let finds = 0
    sessions.find = (ref) => {
      finds++
      return find(ref)
    }
    release()
    work()
    t.match(await slow, { status: 303, location: /sign-in/ }, 'what comes late is for nobody')
    await until(() => finds > 0)
    sessions.find = find
    server.misbehaviours.clear()
    t.notOk(await isIn(thief), 'neither the sighting nor the renewed tokens bring the session back')
    t.equal(await storedSession(gateway, thief.cookieHeader()), undefined)
  })
})

t.test('renewal beside many requests', async (t) => {
  const gateway = await openTestGateway(t, { authorizationServerTimeoutSeconds: 10 })
  const server = await bindTenant(t, gateway)
  server.tokenMembers = { expires_in: 600, token_type: 'Bearer' }

  await t.test('200 requests at once near the token\'s end: one refresh beside them, none turned away (T-28)', async (t) => {
    const browser = await signIn(gateway, server)
    const before = await storedSession(gateway, browser.cookieHeader())
    gateway.clock.advance(479 * second)
    t.ok(await isIn(browser))
    t.equal(refreshes(server).length, 0, 'not before it is due')
    gateway.clock.advance(second)
    let work = (): void => {}
    server.misbehaviours.set('token', (_response, go) => { work = go })
    const answers = await Promise.all(Array.from({ length: 200 }, () => browser.open('/')))
    t.ok(answers.every(({ status, body }) => status === 200 && body === 'the application'), 'all answered while the server has not')
    work()
    await until(async () => (await storedSession(gateway, browser.cookieHeader()))?.tokens.accessToken !== before?.tokens.accessToken)
    t.same(refreshes(server).map(({ form }) => form), [{
      grant_type: 'refresh_token', refresh_token: before?.tokens.refreshToken, client_id: 'client-1', client_secret: 'client-secret-1',
    }])

    server.misbehaviours.clear()
    gateway.clock.advance(480 * second)
    await until(async () => await isIn(browser) && refreshes(server).length > 1)
    const rotated = refreshes(server)[1]?.form['refresh_token']
    t.match(rotated, /^refresh-canary-\d+$/)
    t.not(rotated, before?.tokens.refreshToken, 'the rotated token is the one used next (C-17)')
  })
})

t.test('renewal', async (t) => {
  const env = { JOINTGATE_SESSION_RENEWAL_GRACE_SECONDS: '300' }
  const gateway = await openTestGateway(t, { authorizationServerTimeoutSeconds: 1, env })
  const server = await bindTenant(t, gateway)
  // Due after 480 s; the grace ends after 900 s.
  t.beforeEach(() => {
    server.tokenMembers = { expires_in: 600, token_type: 'Bearer' }
    server.misbehaviours.clear()
    server.calls.length = 0
  })

  await t.test('a clear no ends the session', async (t) => {
    for (const no of [
      { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid refresh token' } },
      { status: 401, body: { error: 'invalid_client' } },
    ]) {
      const browser = await signIn(gateway, server)
      gateway.clock.advance(480 * second)
      server.misbehaviours.set('token', no)
      t.ok(await isIn(browser), 'the request that found it due is answered')
      await until(async () => await storedSession(gateway, browser.cookieHeader()) === undefined)
      t.match(await browser.open('/'), { status: 303, location: '/_gate/sign-in?because=session-unknown' })
      server.misbehaviours.clear()
    }
  })

  const silences: [string, Misbehaviour, number][] = [
    ['500', 'status-500', 30], ['429 with Retry-After', 'status-429', 120], ['a hang', 'hang', 30], ['a reset', 'reset', 30], ['HTML', 'html', 30],
    ['temporarily_unavailable', { status: 400, body: { error: 'temporarily_unavailable' } }, 30],
  ]
  for (const [name, silence, backoffSeconds] of silences) {
    await t.test(`no clear answer (${name}) ends nothing before the token's end and its grace; repeats keep their distance`, async (t) => {
      const browser = await signIn(gateway, server)
      server.misbehaviours.set('token', silence)
      const failed = async (): Promise<void> => {
        const before = (await storedSession(gateway, browser.cookieHeader()))?.renewalDueAt
        // More than one request, since the first may still join the attempt that is just ending.
        await until(async () => await isIn(browser) && (await storedSession(gateway, browser.cookieHeader()))?.renewalDueAt !== before)
      }
      gateway.clock.advance(480 * second)
      await failed()
      gateway.clock.advance((backoffSeconds - 1) * second)
      t.ok(await isIn(browser))
      t.equal(refreshes(server).length, 1, 'no repeat before its time')
      // Half as much again at most, so that not all sessions come at once.
      gateway.clock.advance((1 + backoffSeconds / 2) * second)
      await failed()
      t.equal(refreshes(server).length, 2)
      gateway.clock.advance((900 - 480 - 1.5 * backoffSeconds - 1) * second)
      await failed()
      gateway.clock.advance(second)
      if (name.includes('Retry-After')) {
        t.match(await browser.open('/'), { status: 503, body: /GW_SESSION_RENEWAL_PENDING/ }, 'who was asked to wait is not signed out')
        gateway.clock.advance(120 * second)
      }
      t.match(await browser.open('/'), { status: 303, location: '/_gate/sign-in?because=tokens-ended' })
      t.equal(await storedSession(gateway, browser.cookieHeader()), undefined)
    })
  }

  await t.test('a server that is back within the grace saves the session, even for a request that comes after it', async (t) => {
    const browser = await signIn(gateway, server)
    gateway.clock.advance(1200 * second)
    t.ok(await isIn(browser), 'this request waited for its tokens')
    t.equal(refreshes(server).length, 1)
    t.ok(await isIn(browser))
    t.equal(refreshes(server).length, 1)
  })

  const verdicts: [string, Misbehaviour, boolean][] = [
    ['401', { status: 401, body: { error: 'unauthorized', error_description: 'Full authentication is required to access this resource' } }, false],
    ['another user', { status: 200, body: { userName: 'somebody', tenant: tenantId } }, false],
    ['another tenant', { status: 200, body: { userName: 'lihua', tenant: 'other' } }, false],
    ['500', 'status-500', true], ['HTML', 'html', true], ['a hang', 'hang', true],
  ]
  for (const [name, verdict, staysIn] of verdicts) {
    await t.test(`userinfo at renewal: ${name} ${staysIn ? 'ends nothing' : 'ends the session (login.md Q13)'}`, async (t) => {
      const browser = await signIn(gateway, server)
      const before = await storedSession(gateway, browser.cookieHeader())
      gateway.clock.advance(480 * second)
      server.misbehaviours.set('userinfo', verdict)
      const called = server.nextCall('userinfo')
      t.ok(await isIn(browser))
      await called
      if (!staysIn) await until(async () => await storedSession(gateway, browser.cookieHeader()) === undefined)
      t.equal(await isIn(browser), staysIn)
      if (staysIn) t.not((await storedSession(gateway, browser.cookieHeader()))?.tokens.refreshToken, before?.tokens.refreshToken)
    })
  }

  await t.test('without a refresh token the session ends with its token (login.md Q11, C-25)', async (t) => {
    server.tokenMembers = { expires_in: 600, token_type: 'bearer', refresh_token: undefined }
    const browser = await signIn(gateway, server)
    gateway.clock.advance(600 * second - 1)
    t.ok(await isIn(browser))
    gateway.clock.advance(1)
    t.match(await browser.open('/'), { status: 303, location: '/_gate/sign-in?because=tokens-ended' })
    t.equal(refreshes(server).length, 0)
  })

  // Never so short that each request renews, never so long that it is no number.
  const lifetimes: [unknown, number][] = [[undefined, 7200], ['600', 600], [7200.5, 7200.5], [0, 60], [1e300, 31_536_000]]
  for (const [told, seconds] of lifetimes) {
    await t.test(`expires_in ${JSON.stringify(told) ?? 'absent'} lets the person in`, async (t) => {
      server.tokenMembers = { expires_in: told, token_type: 'Bearer' }
      const browser = await signIn(gateway, server)
      const session = await storedSession(gateway, browser.cookieHeader())
      t.equal(session?.tokens.expiresAt, gateway.clock.now() + seconds * second)
      t.ok(await isIn(browser))
    })
  }

  await t.test('a token that would fill the store is refused', async (t) => {
    for (const member of ['access_token', 'refresh_token']) {
      server.tokenMembers = { expires_in: 600, token_type: 'Bearer', [member]: 'x'.repeat(8193) }
      const answer = await comeBack(gateway.browser(), server.issueCode(lihua))
      t.match(answer, { status: 503, body: /marketplace-unavailable/ })
    }
  })
})

t.test('the life of a session', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_SESSION_ABSOLUTE_TIMEOUT_SECONDS: '7000' } })
  const server = await bindTenant(t, gateway)

  await t.test('/_gate/session tells who is there and until when, nothing secret; 401 to nobody', async (t) => {
    const browser = await signIn(gateway, server)
    const signedInAt = gateway.clock.now()
    for (const answer of [await browser.fetch('/_gate/session'), await browser.open('/_gate/session')]) {
      t.equal(answer.status, 200)
      t.equal(answer.headers['cache-control'], 'no-store')
      t.match(answer.headers['content-type'], 'application/json')
      t.same(JSON.parse(answer.body), {
        tenant: tenantId,
        tenantName: '晨曦科技',
        user: 'lihua',
        name: '李华',
        role: 'user',
        department: '10000',
        instance: 'instance-1',
        access: 'full',
        signedInAt: new Date(signedInAt).toISOString(),
        endsAt: new Date(signedInAt + 7_000_000).toISOString(),
        idleTimeoutSeconds: 3600,
      })
    }
    const nobody = await gateway.browser().fetch('/_gate/session')
    t.equal(nobody.status, 401)
    t.match(nobody.headers['content-type'], 'application/problem+json')
    t.match(JSON.parse(nobody.body), { reason: 'session-missing', status: 401, supportCode: /^[\w]{4}-[\w]{4}$/, signInUrl: /^\/_gate\/sign-in/ })
  })

  await t.test('an hour without a request ends it; with requests it goes on (C-23)', async (t) => {
    const browser = await signIn(gateway, server)
    gateway.clock.advance(3000 * second)
    t.ok(await isIn(browser))
    const thief = copyOf(gateway, browser)
    await until(async () => (await storedSession(gateway, browser.cookieHeader()))?.lastSeenAt === gateway.clock.now())
    gateway.clock.advance(3600 * second - 1)
    t.equal((await storedSession(gateway, browser.cookieHeader()))?.lastSeenAt, gateway.clock.now() - 3600 * second + 1)
    gateway.clock.advance(1)
    t.match(await browser.open('/'), { status: 303, location: '/_gate/sign-in?because=session-idle' })
    t.notOk(browser.cookies.has(cookieNames.session), 'the browser forgets it')
    t.equal(await storedSession(gateway, thief.cookieHeader()), undefined, 'and so does the store')
  })

  await t.test('its absolute end comes whatever happens in it', async (t) => {
    const browser = await signIn(gateway, server)
    for (let step = 0; step < 6; step++) {
      gateway.clock.advance(1000 * second)
      t.ok(await isIn(browser))
      await until(async () => (await storedSession(gateway, browser.cookieHeader()))?.lastSeenAt === gateway.clock.now())
    }
    gateway.clock.advance(1000 * second)
    t.match(await browser.open('/'), { status: 303, location: '/_gate/sign-in?because=session-expired' })
  })

  await t.test('a push that takes the account away ends it at the next request, and giving it back does not revive it (C-27)', async (t) => {
    const browser = await signIn(gateway, server)
    const account = { userName: 'lihua', name: '李华', role: 'user', enable: 'true', orgCode: '10000' }
    const stamp = (): string => new Date(gateway.clock.now() + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 17)
    gateway.clock.advance(10)
    await gateway.push('authSync', { tenantId, appId, flag: 3, currentSyncTime: stamp(), userList: [account] })
    gateway.clock.advance(10)
    await gateway.push('authSync', { tenantId, appId, flag: 1, currentSyncTime: stamp(), userList: [account] })
    t.match(await browser.fetch('/_gate/session'), { status: 403, body: /authorisation-withdrawn/ })
    t.ok(await isIn(await signIn(gateway, server)), 'a new sign-in is welcome')
  })
})
