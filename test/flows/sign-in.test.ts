import t, { type Test } from 'tap'
import { sha256 } from '../../src/base/digest.ts'
import { Secret } from '../../src/base/secret.ts'
import { refusalReasons, statusOf, type RefusalReason } from '../../src/directory/refusal.ts'
import { english } from '../../src/pages/texts/en.ts'
import { textsOf } from '../../src/pages/texts/texts-of.ts'
import { sealClientSecret } from '../../src/push/signature/client-secret.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { stateOf } from '../../src/sign-in/flow-cookies.ts'
import type { Browser } from '../support/browser.ts'
import { appId, openTestGateway, wireAccount, toPushTime } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { createPush, dayMs, releasePush, statusPush } from '../support/instance-pushes.ts'
import {
  callbackPath, comeBack, flowCookies, fromAnotherSite, otherTenantId, pressButton, readLog, readRefusal, roundsCookie, sessionCookie,
  signIn, tenantId, whoIsIn,
} from '../support/sign-in-steps.ts'

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }
const wangwu = { userName: 'wangwu', name: '王五', tenant: tenantId }
const accounts = [{ userName: 'lihua', name: '李华' }, { userName: 'wangwu', name: '王五' }]

/** A gateway with one bound tenant. */
async function open (t: Test, env: Record<string, string> = {}) {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t, { env, authorizationServerTimeoutSeconds: 10 })
  await gateway.bind({ tenantId, domainName: server.url, accounts })
  return { server, gateway }
}

t.test('an employee signs in by the button and reaches the page that was asked for', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', name: '李华' }] })
  const browser = gateway.browser()

  const away = await browser.open('/reports?year=2025')
  t.equal(away.status, 303)
  t.equal(away.location, '/_gate/sign-in?return_to=%2Freports%3Fyear%3D2025')
  t.same(gateway.upstream.requests, [], 'the application has seen nothing (T-33)')

  const page = await browser.open(away.location)
  t.equal(page.status, 200)
  t.match(page.body, /name="return_to" value="\/reports\?year=2025"/)

  const left = await browser.submit('/_gate/sign-in', { return_to: '/reports?year=2025' })
  t.equal(left.status, 303)
  t.equal(left.location, `https://macroverse.huaweicloud.com/unified-login/#/portal-login?ind=UNOP&appId=${appId}`)
  t.equal([...browser.cookies.keys()].filter((name) => name.startsWith('__Host-jointgate-flow-')).length, 1)

  const code = server.issueCode(lihua)
  const back = await browser.open(`/_gate/callback?code=${code}&tenant=${tenantId}`, { headers: { 'sec-fetch-site': 'cross-site' } })
  t.equal(back.status, 303)
  t.equal(back.location, '/reports?year=2025')
  t.same(server.calls.map(({ endpoint, form }) => [endpoint, form]), [
    ['token', { grant_type: 'authorization_code', code, redirect_uri: `${gateway.url}/_gate/callback`, client_id: 'client-1', client_secret: 'client-secret-1' }],
    ['userinfo', {}],
  ])

  const seen = await browser.open(back.location)
  t.equal(seen.body, 'the application')
  const [seenByUpstream] = gateway.upstream.requests
  const headers = seenByUpstream?.headers ?? {}
  t.equal(seenByUpstream?.target, '/reports?year=2025')
  t.equal(headers['x-identity-tenant'], tenantId)
  t.equal(headers['x-identity-user'], 'lihua')
  t.equal(headers['x-identity-name'], encodeURIComponent('李华'))
  t.match(headers['x-identity-assertion'], /^[\w-]+\.[\w-]+\.[\w-]+$/)
  t.equal(headers['cookie'], undefined, 'our cookie stays here (T-34)')

  await gateway.push('authSync', { tenantId, appId, flag: 3, currentSyncTime: toPushTime(gateway.clock.now()), userList: [wireAccount({ userName: 'lihua' })] })
  const closed = await browser.open('/reports')
  t.equal(closed.status, 403)
  t.match(closed.body, 'authorisation-withdrawn')
  t.equal(gateway.upstream.requests.length, 1)
})

t.test('three tabs may start at once and come back in any order; each works', async (t) => {
  const { gateway, server } = await open(t)
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0]]) {
    const browser = gateway.browser()
    for (const page of ['/one', '/two', '/three']) {
      gateway.clock.advance(1000)
      t.equal((await pressButton(browser, page)).status, 303)
    }
    t.equal(flowCookies(browser).length, 3, 'a cookie for each, none overwritten')
    const codes = order.map(() => server.issueCode(lihua))
    const landed: string[] = []
    for (const tab of order) {
      const back = await comeBack(browser, { code: codes[tab] ?? '', tenant: tenantId })
      t.equal(back.status, 303)
      landed.push(back.location)
      t.equal(await whoIsIn(browser), 'lihua')
    }
    t.same(landed.sort(), ['/one', '/three', '/two'], 'each flow is used once')
    t.same(flowCookies(browser), [], 'and its cookie is taken back')
  }
})

t.test('three tabs come back at the same moment: all work, one session is kept', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  for (const page of ['/one', '/two', '/three']) {
    gateway.clock.advance(1000)
    await pressButton(browser, page)
  }
  const callbacks = [1, 2, 3].map(() => comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId }))
  const answers = await Promise.all(callbacks)
  // Without state nobody can tell which tab is which, so they may all have found the same flow; but then only one may use it.
  for (const { status, location, body } of answers) {
    if (status === 303) t.match(location, /^\/(?:one|two|three)$/)
    else t.match(body, 'flow-unknown')
  }
  t.equal(await whoIsIn(browser), 'lihua')
})

t.test('of more than five pending logins the oldest gives way, and its cookie with it (T-25)', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  const held: string[] = []
  for (const page of ['/1', '/2', '/3', '/4', '/5', '/6', '/7']) {
    gateway.clock.advance(1000)
    const before = flowCookies(browser)
    await pressButton(browser, page)
    held.push(...flowCookies(browser).filter((name) => !before.includes(name)))
  }
  t.same(flowCookies(browser), held.slice(2), 'the five newest')
  const landed: string[] = []
  for (let tab = 0; tab < 5; tab++) landed.push((await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })).location)
  t.same(landed, ['/7', '/6', '/5', '/4', '/3'])
  const sixth = await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
  t.equal(sixth.location, '/_gate/confirm', 'the two that gave way are no flows of this browser any more')
})

t.test('cookies of logins that came to nothing are taken back at the next start', async (t) => {
  const { gateway } = await open(t)
  const browser = gateway.browser()
  await pressButton(browser)
  const [first] = flowCookies(browser)
  gateway.clock.advance(600_000)
  await pressButton(browser)
  t.equal(flowCookies(browser).length, 1)
  t.notSame(flowCookies(browser), [first])
})

t.test('the third round within a minute is stopped by a page that names the cause; a minute later all is well (C-19)', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  await signIn(browser, server, lihua)
  gateway.clock.advance(10_000)
  await signIn(browser, server, lihua)
  gateway.clock.advance(10_000)
  const stopped = await pressButton(browser)
  t.equal(stopped.status, 403)
  t.equal(readRefusal(stopped).reason, 'login-loop')
  t.match(stopped.body, english.loopCauses['session-lost'])
  t.match(readLog(gateway, 'access.refused').at(-1), { reason: 'login-loop', cause: 'session-lost' })
  t.notMatch(stopped.body, /class="button"/, 'no button that would turn the next round')
  gateway.clock.advance(39_999)
  t.equal((await pressButton(browser)).status, 403, 'the minute is not over')
  gateway.clock.advance(1)
  await signIn(browser, server, lihua)
  t.equal(await whoIsIn(browser), 'lihua')
})

t.test('a session that the store loses each time is named as the cause, though its dead cookie was taken back', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  for (const round of [1, 2]) {
    await signIn(browser, server, lihua)
    await gateway.storage.sessions.end(sha256(browser.cookies.get(sessionCookie) ?? '') as SessionRef)
    const away = await browser.open('/')
    t.match(away.location, 'because=session-unknown', `round ${round}`)
    t.notOk(browser.cookies.has(sessionCookie))
  }
  const stopped = await pressButton(browser)
  t.equal(readRefusal(stopped).reason, 'login-loop')
  t.match(stopped.body, english.loopCauses['session-lost'])
})

t.test('a sign-out forgets the rounds: who changes accounts is in no loop', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  for (const person of [lihua, wangwu, lihua, wangwu]) {
    await signIn(browser, server, person)
    t.equal(await whoIsIn(browser), person.userName)
    await browser.submit('/_gate/sign-out')
    t.notOk(browser.cookies.has(roundsCookie))
  }
})

t.test('direct mode leads straight on, except when another site sent the browser (T-11 b)', async (t) => {
  const { gateway, server } = await open(t, { JOINTGATE_SIGN_IN_DIRECT: 'true' })
  const browser = gateway.browser()
  const away = await browser.open('/reports', { headers: { 'sec-fetch-site': 'none' } })
  const on = await browser.open(away.location, { headers: { 'sec-fetch-site': 'none' } })
  t.equal(on.status, 303)
  t.match(on.location, /^https:\/\/macroverse\.huaweicloud\.com\/unified-login\/#\//)
  t.equal((await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })).location, '/reports')

  for (const site of ['cross-site', 'same-site']) {
    const victim = gateway.browser()
    const page = await victim.open('/_gate/sign-in', { headers: { 'sec-fetch-site': site } })
    t.equal(page.status, 200, `${site}: the page with the button`)
    t.same(flowCookies(victim), [], 'no live flow was planted')
    t.equal((await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId })).location, '/_gate/confirm')
  }
})

t.test('where so configured, a login from nowhere is started anew with our own state, its code unused (T-11 b, C-1, C-11)', async (t) => {
  const { gateway, server } = await open(t, { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart' })
  const browser = gateway.browser()
  const dropped = server.issueCode(wangwu)
  const restarted = await comeBack(browser, { code: dropped, tenant: tenantId })
  t.equal(restarted.status, 303)
  t.same(server.calls, [], 'the code was dropped, not sent')
  const asked = new URL(restarted.location)
  t.equal(asked.origin + asked.pathname, `${server.url}/api/v1/oauth2/authorize`)
  const { state = '', ...others } = Object.fromEntries(asked.searchParams)
  t.same(others, {
    client_id: 'client-1', redirect_uri: `${gateway.url}/_gate/callback`, response_type: 'code', scope: 'get_user_info',
  })
  t.match(state, /^[A-Za-z0-9]{32,}$/, 'letters and digits, at least 128 bits (C-2)')
  t.notMatch(restarted.headers['set-cookie'], state, 'the state does not give the cookie away')

  t.equal(readRefusal(await comeBack(gateway.browser(), { code: server.issueCode(lihua), state })).reason, 'flow-unknown', 'good in this browser only')
  t.equal(readRefusal(await comeBack(browser, { code: server.issueCode(lihua), state, tenant: otherTenantId })).reason, 'tenant-mismatch')
  t.same(server.calls, [])

  const back = await comeBack(browser, { code: server.issueCode(lihua), state })
  t.equal(back.status, 303)
  t.equal(back.location, '/', 'no tenant in the callback: the flow knows it')
  t.equal(await whoIsIn(browser), 'lihua')
  t.equal(server.calls[0]?.form['redirect_uri'], `${gateway.url}/_gate/callback`)
  t.equal(readRefusal(await comeBack(browser, { code: server.issueCode(lihua), state })).reason, 'flow-unknown', 'and once (T-11 c)')
})

t.test('a server that loses our state is asked once in a browser, then the person is (C-19, T-11 b)', async (t) => {
  const { gateway, server } = await open(t, { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart' })
  const browser = gateway.browser()
  t.match((await comeBack(browser, { code: 'dropped', tenant: tenantId })).location, /\/authorize\?/)
  t.same(server.calls, [])
  const lost = await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
  t.equal(lost.location, '/_gate/confirm')
  t.equal(await whoIsIn(browser), undefined)
  t.match(readLog(gateway, 'login.asked').at(-1), { because: 'restart-lost', tenantId })
  gateway.clock.advance(599_000)
  t.equal((await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })).location, '/_gate/confirm', 'as long as it may still come')
  gateway.clock.advance(1_000)
  t.match((await comeBack(browser, { code: 'dropped too', tenant: tenantId })).location, /\/authorize\?/, 'ten minutes later it is tried again')
})

t.test('who is sent on at three enterprises within a minute is told that the state gets lost (C-19)', async (t) => {
  const { gateway, server } = await open(t, { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart' })
  const tenants = [tenantId, otherTenantId, 'third-tenant']
  for (const tenant of tenants.slice(1)) await gateway.bind({ tenantId: tenant, domainName: server.url, accounts }, `of ${tenant}`)
  const browser = gateway.browser()
  for (const tenant of tenants.slice(0, 2)) t.match((await comeBack(browser, { code: 'x', tenant })).location, /\/authorize\?/)
  const before = flowCookies(browser)
  const stopped = await comeBack(browser, { code: 'x', tenant: tenants[2] ?? '' })
  t.equal(stopped.status, 403)
  t.equal(readRefusal(stopped).reason, 'login-loop')
  t.match(stopped.body, english.loopCauses['state-lost'])
  t.same(flowCookies(browser), before)
  t.same(server.calls, [])
})

t.test('who comes from the workbench twice within a minute is in no loop', async (t) => {
  const { gateway, server } = await open(t, { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart' })
  const browser = gateway.browser()
  for (const visit of [1, 2]) {
    const restarted = await comeBack(browser, { code: `workbench-${visit}`, tenant: tenantId })
    const state = new URL(restarted.location).searchParams.get('state') ?? ''
    t.equal((await comeBack(browser, { code: server.issueCode(lihua), state })).location, '/')
    t.equal(await whoIsIn(browser), 'lihua')
  }
  t.match((await comeBack(browser, { code: 'workbench-3', tenant: tenantId })).body, english.loopCauses['session-lost'])
})

t.test('a browser that keeps no cookie is told so at once', async (t) => {
  const { gateway, server } = await open(t)
  await pressButton(gateway.browser())
  const back = await comeBack(gateway.browser(), { code: server.issueCode(lihua), tenant: tenantId })
  const page = await gateway.browser().open(back.location)
  t.equal(readRefusal(page).reason, 'confirmation-expired')
  t.match(page.body, english.loopCauses['insecure-address'], 'the test gateway is reached by http')
})

t.test('each reason is told by page, problem body and log line alike, under one support code', async (t) => {
  const { gateway, server } = await open(t, { JOINTGATE_ROUTES: '[{ path: /admin, roles: [admin] }]' })
  const bound = { domainName: server.url, accounts: [{ userName: 'lihua' }] }
  await gateway.bind({ ...bound, tenantId: 'closed-tenant' })
  await gateway.push('tenantSync', { tenantId: 'closed-tenant', flag: 0 })
  await gateway.bind({ ...bound, tenantId: 'unbound-tenant' })
  await gateway.push('applicationSync', { tenantId: 'unbound-tenant', appId, flag: 0 })
  await gateway.bind({ tenantId, domainName: server.url, accounts: [...accounts, { userName: 'disabled', enable: 'false' }, { userName: 'withdrawn' }] })
  await gateway.push('authSync', { tenantId, appId, flag: 3, userList: [wireAccount({ userName: 'withdrawn' })] })

  for (const state of ['pending', 'expired', 'frozen', 'released']) {
    await gateway.bind({ ...bound, tenantId: `${state}-tenant` }, `${state}-instance`)
  }
  const now = gateway.clock.now()
  await gateway.bind({ ...bound, tenantId: 'two-tenant' }, 'first-of-two')
  for (const change of [
    createPush('first-of-two', now),
    createPush('pending-instance', now, { provisioning: 'pending' }), createPush('expired-instance', now, { expiresAt: now - 9 * dayMs }),
    createPush('frozen-instance', now), statusPush('frozen-instance', now + 1, 'frozen'),
    createPush('released-instance', now), releasePush('released-instance', now + 1),
  ]) t.match(await gateway.storage.directory.commit(change), { kind: 'committed' })

  type Visit = (address: string, options?: Parameters<Browser['open']>[1]) => ReturnType<Browser['open']>
  type Provocation = (browser: Browser, visit: Visit) => ReturnType<Browser['open']>
  const callback = (parameters: Record<string, string>): Provocation => async (browser, visit) => {
    await pressButton(browser)
    return await visit(callbackPath(parameters))
  }
  const arriving = (userinfo: Record<string, unknown>, tenant = tenantId): Provocation =>
    (browser, visit) => callback({ code: server.issueCode(userinfo), tenant })(browser, visit)

  const provocations: Record<RefusalReason, Provocation> = {
    'tenant-unknown': callback({ code: 'x', tenant: 'nobody-knows' }),
    'tenant-closed': callback({ code: 'x', tenant: 'closed-tenant' }),
    'binding-missing': callback({ code: 'x', tenant: 'unbound-tenant' }),
    'account-not-authorised': arriving({ userName: 'stranger' }),
    'account-disabled': arriving({ userName: 'disabled' }),
    'authorisation-withdrawn': arriving({ userName: 'withdrawn' }),
    'instance-not-ready': arriving({ ...lihua, tenant: 'pending-tenant' }, 'pending-tenant'),
    'instance-expired': arriving({ ...lihua, tenant: 'expired-tenant' }, 'expired-tenant'),
    'instance-frozen': arriving({ ...lihua, tenant: 'frozen-tenant' }, 'frozen-tenant'),
    'instance-released': arriving({ ...lihua, tenant: 'released-tenant' }, 'released-tenant'),
    'choice-needed': async (browser, visit) => {
      await signIn(browser, server, { ...lihua, tenant: 'two-tenant' })
      await gateway.storage.directory.commit(statusPush('first-of-two', gateway.clock.now() + 1_000, 'frozen'))
      await gateway.bind({ ...bound, tenantId: 'two-tenant' }, 'second-of-two')
      const answer = await visit('/reports', { method: 'POST', form: { text: 'long typed' } })
      await gateway.push('tenantSync', { tenantId: 'two-tenant', flag: 0, instanceId: 'second-of-two' })
      await gateway.storage.directory.commit(statusPush('first-of-two', gateway.clock.now() + 1_001, 'normal'))
      gateway.clock.advance(60_000)
      return answer
    },
    'callback-malformed': callback({ tenant: tenantId }),
    'authorization-denied': callback({ error: 'access_denied', tenant: tenantId }),
    'flow-unknown': callback({ code: 'x', state: 'ab12' }),
    'flow-expired': async (browser, visit) => {
      await pressButton(browser)
      const state = stateOf(browser.cookies.get(flowCookies(browser)[0] ?? '') ?? '')
      gateway.clock.advance(600_000)
      return await visit(callbackPath({ code: 'x', state }))
    },
    'tenant-mismatch': arriving({ ...lihua, tenant: otherTenantId }),
    'code-refused': (browser, visit) => callback({ code: `never-issued-${Math.random()}`, tenant: tenantId })(browser, visit),
    'code-reused': async (browser, visit) => {
      const code = server.issueCode(lihua)
      await pressButton(browser)
      await comeBack(browser, { code, tenant: tenantId })
      return await visit(callbackPath({ code, tenant: tenantId }))
    },
    'account-unnamed': arriving({ tenant: tenantId, name: 'nobody', email: 'lihua@example.com' }),
    'marketplace-unavailable': async (browser, visit) => {
      server.misbehaviours.set('token', 'status-500')
      const answer = await arriving(lihua)(browser, visit)
      server.misbehaviours.clear()
      return answer
    },
    'login-loop': async (browser, visit) => {
      for (const person of [lihua, lihua]) await signIn(browser, server, person)
      return await visit('/_gate/sign-in', { method: 'POST', form: {} })
    },
    'confirmation-expired': (_browser, visit) => visit('/_gate/confirm'),
    'cross-site-request': (_browser, visit) => visit('/_gate/sign-in', { method: 'POST', form: {}, headers: fromAnotherSite }),
    'role-missing': async (browser, visit) => {
      // The youngest of more sessions than one person may have, none of the same millisecond.
      gateway.clock.advance(1_000)
      await signIn(browser, server, lihua)
      return await visit('/admin')
    },
    'session-missing': (_browser, visit) => visit('/reports', { method: 'POST', form: { text: 'long typed' } }),
    'too-many-requests': callback({ code: 'x', tenant: 'crowded-tenant' }),
  }
  t.same(Object.keys(provocations).sort(), [...refusalReasons].sort())
  const { rateLimits } = gateway.storage
  const count = rateLimits.count.bind(rateLimits)
  rateLimits.count = async (key, ...when) => key.includes('crowded-tenant') ? 1e6 : count(key, ...when)

  for (const [reason, provoke] of Object.entries(provocations) as [RefusalReason, Provocation][]) {
    for (const locale of ['zh-CN', 'en'] as const) {
      for (const way of ['open', 'fetch'] as const) {
        const browser = gateway.browser()
        const answer = await provoke(browser, (address, options = {}) =>
          browser[way](address, { ...options, headers: { 'accept-language': locale, ...options.headers } }))
        const lines = readLog(gateway, 'access.refused')
        const { title, whatToDo } = textsOf(locale).refusals[reason]
        const told = readRefusal(answer)
        const label = `${reason} (${locale}, ${way})`
        t.match(told, { reason, supportCode: /^[0-9A-Z]{4}-[0-9A-Z]{4}$/ }, label)
        t.match(lines.at(-1), { reason, supportCode: told.supportCode }, `${label}: log`)
        t.equal(lines.filter(({ supportCode }) => supportCode === told.supportCode).length, 1, `${label}: a code of its own`)
        t.equal(answer.status, statusOf(reason), `${label}: status`)
        t.equal(answer.headers['retry-after'] !== undefined, answer.status === 503 || answer.status === 429, `${label}: retry-after`)
        t.equal(answer.headers['cache-control'], 'no-store', `${label}: no-store (T-47)`)
        t.equal(answer.headers['content-language'], locale, `${label}: language`)
        t.match(answer.headers['content-type'], way === 'open' ? 'text/html' : 'application/problem+json', `${label}: form`)
        const text = way === 'open' ? answer.body.replaceAll('&#39;', '\'') : answer.body
        t.ok(text.includes(title) && text.includes(whatToDo), `${label}: says what happened and what to do`)
        if (way === 'fetch') {
          t.match(JSON.parse(answer.body), { type: `urn:jointgate:refusal:${reason}`, status: answer.status, title, signInUrl: /^\/_gate\/sign-in/ })
        }
        const isInBefore = reason === 'code-reused' || reason === 'role-missing'
        if (reason !== 'login-loop') t.equal(await whoIsIn(browser), isInBefore ? 'lihua' : undefined, `${label}: nobody is let in`)
      }
    }
  }
  t.ok(readLog(gateway).every(({ level }) => level === 'info'), 'a refusal asks nobody to act')
})

t.test('what a push takes away is gone at the next request and at the next sign-in, with the right reason', async (t) => {
  const { gateway, server } = await open(t)
  const user = (change: Record<string, string> = {}) => [wireAccount({ userName: 'lihua', name: '李华', ...change })]
  const losses: [what: string, push: [string, Record<string, unknown>], reason: RefusalReason][] = [
    ['disabled', ['authSync', { appId, flag: 2, userList: user({ enable: 'false' }) }], 'account-disabled'],
    ['grant taken back (flag 3)', ['authSync', { appId, flag: 3, userList: user() }], 'authorisation-withdrawn'],
    ['left the enterprise (flag 0)', ['authSync', { appId, flag: 0, userList: user() }], 'authorisation-withdrawn'],
    ['tenant deleted', ['tenantSync', { flag: 0 }], 'tenant-closed'],
    ['binding deleted', ['applicationSync', { appId, flag: 0 }], 'binding-missing'],
  ]
  for (const [what, [name, members], reason] of losses) {
    const browser = gateway.browser()
    const second = gateway.browser()
    await signIn(browser, server, lihua)
    await signIn(second, server, lihua)
    const bystander = gateway.browser()
    await signIn(bystander, server, wangwu)
    gateway.upstream.requests.length = 0
    t.equal((await gateway.push(name, { tenantId, ...members })).resultCode, '000000')

    const closed = await browser.open('/reports')
    t.equal(closed.status, 403, what)
    t.equal(readRefusal(closed).reason, reason, `${what}: live session`)
    t.notOk(browser.cookies.has(sessionCookie), 'the cookie is taken back')
    const script = await second.fetch('/api/reports')
    t.equal(readRefusal(script).reason, reason, `${what}: script of a live session`)
    t.match((await browser.open('/reports')).location, /^\/_gate\/sign-in/, 'the session is over, not only this request')
    t.same(gateway.upstream.requests, [], 'the application has seen nothing (T-33)')
    if (name === 'authSync') t.equal(await whoIsIn(bystander), 'wangwu', 'others stay')

    await pressButton(browser)
    const refused = await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
    t.equal(readRefusal(refused).reason, reason, `${what}: at sign-in`)
    t.notOk(browser.cookies.has(sessionCookie))

    // Given back: who signs in anew is welcome, the session from before stays dead.
    gateway.clock.advance(60_000)
    await gateway.bind({ tenantId, domainName: server.url, accounts })
    t.equal(await whoIsIn(second), undefined, `${what}: given back, no session revives`)
    await signIn(gateway.browser(), server, lihua)
  }
})

t.test('a session that slept through a loss and its repair is dead (T-45)', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  await signIn(browser, server, lihua)
  await gateway.push('authSync', { tenantId, appId, flag: 3, userList: [wireAccount({ userName: 'lihua' })] })
  await gateway.bind({ tenantId, domainName: server.url, accounts })
  t.equal(readRefusal(await browser.open('/')).reason, 'authorisation-withdrawn')
})

t.test('what is pushed with testFlag 1 lets nobody in and changes nothing in production (C-60)', async (t) => {
  const { gateway, server } = await open(t)
  const clientSecret = sealClientSecret(new Secret('test-secret'), gateway.publicKey)
  const elsewhere = await openFakeAuthorizationServer(t)
  const browser = gateway.browser()
  await signIn(browser, server, lihua)

  for (const tenant of [otherTenantId, tenantId]) {
    const test = { tenantId: tenant, testFlag: 1 }
    const pushes: [string, Record<string, unknown>][] = [
      ['tenantSync', { ...test, tenantCode: 'x', name: 'Test', domainName: elsewhere.url, orderId: 'order-1', flag: 1 }],
      ['applicationSync', { ...test, appId, clientId: 'test-client', clientSecret, flag: 1 }],
      ['authSync', { ...test, appId, flag: 1, currentSyncTime: '20250101080000000', userList: [wireAccount({ userName: 'tester' })] }],
      ['authSync', { ...test, appId, flag: 0, userList: [wireAccount({ userName: 'lihua' })] }],
      ['authSync', { ...test, appId, flag: 3, userList: [wireAccount({ userName: 'wangwu' })] }],
    ]
    for (const [name, members] of pushes) t.equal((await gateway.push(name, members)).resultCode, '000000', name)
  }
  t.equal(await whoIsIn(browser), 'lihua', 'the session goes on')
  await signIn(gateway.browser(), server, wangwu)

  for (const [tenant, reason] of [[otherTenantId, 'tenant-unknown'], [tenantId, 'account-not-authorised']] as const) {
    const tester = gateway.browser()
    await pressButton(tester)
    const code = server.issueCode({ userName: 'tester' })
    t.equal(readRefusal(await comeBack(tester, { code, tenant })).reason, reason)
  }
  for (const [name, members] of [['applicationSync', { appId, flag: 0 }], ['tenantSync', { flag: 0 }]] as const) {
    t.equal((await gateway.push(name, { tenantId, testFlag: 1, ...members })).resultCode, '000000')
  }
  t.equal(await whoIsIn(browser), 'lihua')
  t.same(elsewhere.calls, [], 'the test domain was never called')
})

t.test('domain and client as pushed last are used by the next login, without a restart', async (t) => {
  const { gateway, server } = await open(t)
  const moved = await openFakeAuthorizationServer(t)
  await signIn(gateway.browser(), server, lihua)
  const started = gateway.browser()
  await pressButton(started)

  await gateway.push('tenantSync', { tenantId, flag: 2, domainName: moved.url })
  await gateway.push('applicationSync', {
    tenantId, appId, flag: 2, clientId: 'client-2', clientSecret: sealClientSecret(new Secret('client-secret-2'), gateway.publicKey),
  })
  const before = server.calls.length
  t.equal((await comeBack(started, { code: moved.issueCode(lihua), tenant: tenantId })).status, 303, 'also a login that was on its way')
  await signIn(gateway.browser(), moved, lihua)
  t.equal(server.calls.length, before, 'the old server is not called any more')
  t.same(moved.calls.filter(({ endpoint }) => endpoint === 'token').map(({ form }) => [form['client_id'], form['client_secret']]),
    [['client-2', 'client-secret-2'], ['client-2', 'client-secret-2']])
})

t.test('a purchase that is bound to another enterprise lets in the new one and not the old one', async (t) => {
  const { gateway, server } = await open(t)
  const browser = gateway.browser()
  await signIn(browser, server, lihua)
  await gateway.push('applicationSync', { tenantId, appId, flag: 0 })
  await gateway.push('tenantSync', { tenantId, flag: 0 })
  await gateway.bind({ tenantId: otherTenantId, domainName: server.url, clientId: 'client-9', accounts: [{ userName: 'lihua' }] })
  t.equal(readRefusal(await browser.open('/')).reason, 'tenant-closed')
  const other = gateway.browser()
  await signIn(other, server, { ...lihua, tenant: otherTenantId })
  t.equal(JSON.parse((await other.fetch('/_gate/session')).body).tenant, otherTenantId)
  // The same client again for the old enterprise: bound anew, it works anew.
  await gateway.bind({ tenantId, domainName: server.url, accounts })
  await signIn(gateway.browser(), server, lihua)
})

t.test('redirect_uri and client authentication go out as configured', async (t) => {
  const forms = [['with-tenant', 'body'], ['omit', 'basic']] as const
  for (const [redirectUri, authentication] of forms) {
    const { gateway, server } = await open(t, {
      JOINTGATE_SIGN_IN_REDIRECT_URI: redirectUri, JOINTGATE_SIGN_IN_CLIENT_AUTHENTICATION: authentication,
    })
    await signIn(gateway.browser(), server, lihua)
    const [call] = server.calls
    t.equal(call?.form['redirect_uri'], redirectUri === 'omit' ? undefined : `${gateway.url}/_gate/callback?tenant=${tenantId}`)
    t.equal(call?.form['client_secret'], authentication === 'basic' ? undefined : 'client-secret-1')
    t.equal(call?.authorization, authentication === 'basic' ? `Basic ${Buffer.from('client-1:client-secret-1').toString('base64')}` : undefined)
  }
})

t.test('a page is in the language chosen by ?lang, else by the cookie, else by Accept-Language, else in Chinese', async (t) => {
  const { gateway } = await open(t)
  const languageOf = async (browser: Browser, address: string, acceptLanguage: string) => {
    const { headers, body } = await browser.open(address, { headers: { 'accept-language': acceptLanguage } })
    const written = /<html lang="([\w-]+)">/.exec(body)?.[1]
    t.equal(headers['content-language'], written)
    return written
  }
  const browser = gateway.browser()
  t.equal(await languageOf(browser, '/_gate/sign-in', ''), 'zh-CN')
  t.equal(await languageOf(browser, '/_gate/sign-in', 'de, en;q=0.5'), 'en')
  t.equal(await languageOf(browser, '/_gate/sign-in', 'zh-TW, en;q=0.5'), 'zh-CN')
  t.equal(await languageOf(browser, '/_gate/sign-in?lang=xx', 'en'), 'en', 'what is no language of ours is no choice')
  t.notOk(browser.cookies.has('__Host-jointgate-lang'))
  t.equal(await languageOf(browser, '/_gate/sign-in?lang=zh-CN&lang=en', 'en'), 'en', 'nor is what comes twice')
  t.equal(await languageOf(browser, '/_gate/sign-in?lang=zh-CN', 'en'), 'zh-CN')
  t.equal(browser.cookies.get('__Host-jointgate-lang'), 'zh-CN')
  t.equal(await languageOf(browser, '/_gate/sign-in', 'en'), 'zh-CN', 'remembered')
  t.equal(await languageOf(browser, '/_gate/callback?tenant=x', 'en'), 'zh-CN', 'by refusals too')
  t.equal(await languageOf(browser, '/_gate/sign-in?lang=en', 'zh-CN'), 'en')
  t.equal(await languageOf(browser, '/_gate/signed-out', 'zh-CN'), 'en')
  const page = await browser.open('/_gate/sign-in?lang=zh-CN&return_to=%2Freports')
  t.match(page.body, /href="\/_gate\/sign-in\?[^"]*return_to=%2Freports[^"]*lang=en"/, 'the switch keeps where one wanted to go')
})
