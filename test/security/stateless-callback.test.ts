import t, { type Test } from 'tap'
import { stateOf } from '../../src/sign-in/flow-cookies.ts'
import type { Browser } from '../support/browser.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import {
  callbackPath, comeBack, flowCookies, fromAnotherSite, otherTenantId, pressButton, readLog, readRefusal, sessionCookie, signIn, tenantId,
  whoIsIn,
} from '../support/sign-in-steps.ts'

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }
const wangwu = { userName: 'wangwu', name: '王五', tenant: tenantId }
const mallory = { userName: 'mallory', name: 'Mallory', tenant: otherTenantId }
const modes = ['restart', 'marker', 'confirm'] as const
type Mode = (typeof modes)[number]

/** A gateway in one mode, with two tenants, each with an authorization server of its own. */
async function openHouse (t: Test, mode: Mode, env: Record<string, string> = {}) {
  const server = await openFakeAuthorizationServer(t)
  const otherServer = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t, {
    env: { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: mode, ...env }, authorizationServerTimeoutSeconds: 10,
  })
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }, { userName: 'wangwu', name: '王五' }] })
  await gateway.bind({
    tenantId: otherTenantId, domainName: otherServer.url, name: '别家公司', clientId: 'client-other', accounts: [{ userName: 'mallory', name: 'Mallory' }],
  })
  return { gateway, server, otherServer }
}

type House = Awaited<ReturnType<typeof openHouse>>

const stateIn = (location: string): string | undefined => new URL(location, 'http://x').searchParams.get('state') ?? undefined

/** Where a callback leads: in, to our own request, to the question, or nowhere. */
function outcomeOf ({ location, status }: { location: string, status: number }): string {
  if (location.includes('/oauth2/authorize?')) return 'restarted'
  if (location === '/_gate/confirm') return 'asked'
  return status === 303 ? 'in' : 'refused'
}

async function confirmAs (browser: Browser): Promise<string> {
  const { body } = await browser.open('/_gate/confirm')
  await browser.submit('/_gate/confirm', { anti_forgery: /name="anti_forgery" value="([^"]+)"/.exec(body)?.[1] ?? '' })
  return body
}

/** Signs in under any mode; the browser is as a person leaves it. */
async function signInSomehow ({ gateway, server }: House, browser: Browser, person: typeof lihua): Promise<void> {
  await pressButton(browser)
  let back = await comeBack(browser, { code: server.issueCode(person), tenant: tenantId })
  if (outcomeOf(back) === 'restarted') back = await comeBack(browser, { code: server.issueCode(person), state: stateIn(back.location) ?? '' })
  if (outcomeOf(back) === 'asked') await confirmAs(browser)
  if (await whoIsIn(browser) !== person.userName) throw new Error(`not signed in: ${back.status} ${back.location}`)
  gateway.clock.advance(60_000)
}

const expected: Record<Mode, { marker: string, noMarker: string }> = {
  restart: { marker: 'restarted', noMarker: 'restarted' },
  marker: { marker: 'in', noMarker: 'asked' },
  confirm: { marker: 'asked', noMarker: 'asked' },
}

for (const mode of modes) {
  t.test(`the mode ${mode}`, async (t) => {
    const house = await openHouse(t, mode)
    const { gateway, server, otherServer } = house
    const { marker, noMarker } = expected[mode]
    t.beforeEach(() => {
      for (const list of [server.calls, otherServer.calls, gateway.logLines]) list.length = 0
      gateway.clock.advance(60_000)
    })

    t.test('T-11 (a): a foreign state is refused before any call', async (t) => {
      const attacker = gateway.browser()
      await pressButton(attacker)
      const foreign = stateOf(attacker.cookies.get(flowCookies(attacker)[0] ?? '') ?? '')
      for (const state of [foreign, 'a'.repeat(64)]) {
        const victim = gateway.browser()
        await pressButton(victim)
        t.equal(readRefusal(await comeBack(victim, { code: server.issueCode(wangwu), tenant: tenantId, state })).reason, 'flow-unknown')
        t.equal(await whoIsIn(victim), undefined)
      }
      t.same(server.calls, [])
    })

    t.test('T-11 (b): no state and no login begun here signs nobody in without a word', async (t) => {
      const victim = gateway.browser()
      const back = await comeBack(victim, { code: server.issueCode(wangwu), tenant: tenantId })
      t.equal(outcomeOf(back), noMarker)
      t.equal(await whoIsIn(victim), undefined)
      t.notOk(victim.cookies.has(sessionCookie))
      if (mode === 'restart') t.same(server.calls, [], 'the attacker\'s code is not even sent')
    })

    t.test(`no state, but a login begun here: ${marker}`, async (t) => {
      const browser = gateway.browser()
      await pressButton(browser, '/reports')
      const back = await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
      t.equal(outcomeOf(back), marker)
      t.equal(flowCookies(browser).length, mode === 'restart' ? 1 : 0, 'the marker is spent')
      if (mode === 'restart') {
        t.same(server.calls, [])
        const state = stateIn(back.location) ?? ''
        t.match(state, /^[0-9a-f]{64}$/, '256 bits, letters and digits (C-2)')
        const on = await comeBack(browser, { code: server.issueCode(lihua), state })
        t.equal(on.location, '/reports', 'where it led is kept')
        t.match(readLog(gateway, 'login.finished'), [{ provenBy: 'state' }])
      }
      if (mode === 'confirm') {
        t.match(readLog(gateway, 'login.asked'), [{ because: 'by-setting' }])
        await confirmAs(browser)
        t.match(readLog(gateway, 'login.finished'), [{ provenBy: 'confirmation' }])
      }
      if (mode === 'marker') t.match(readLog(gateway, 'login.finished'), [{ provenBy: 'marker' }])
      t.equal(await whoIsIn(browser), 'lihua')
    })

    t.test('T-11: a marker that has expired counts as none', async (t) => {
      const browser = gateway.browser()
      await pressButton(browser)
      gateway.clock.advance(600_000)
      t.equal(outcomeOf(await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })), noMarker)
      t.equal(await whoIsIn(browser), undefined)
    })

    t.test('T-11: the marker of tab 1 with the callback of tab 2: each login of this browser is used once', async (t) => {
      const browser = gateway.browser()
      for (const page of ['/one', '/two']) {
        gateway.clock.advance(1_000)
        await pressButton(browser, page)
      }
      const outcomes: string[] = []
      for (let tab = 0; tab < 3; tab++) {
        outcomes.push(outcomeOf(await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })))
      }
      // In restart the second callback finds the request of the first under way: it asks, and so does the third.
      t.same(outcomes, mode === 'restart' ? ['restarted', 'asked', 'asked'] : [marker, marker, noMarker])
      t.equal(flowCookies(browser).length, mode === 'restart' ? 1 : 0)
    })

    t.test('T-11 (c): our own state replayed, T-11 (d): of another tenant', async (t) => {
      const browser = gateway.browser()
      const secret = async () => {
        await pressButton(browser)
        return browser.cookies.get(flowCookies(browser).at(-1) ?? '') ?? ''
      }
      const state = mode === 'restart'
        ? stateIn((await comeBack(browser, { code: 'x', tenant: tenantId })).location) ?? ''
        : stateOf(await secret())
      if (mode === 'restart') {
        t.equal(readRefusal(await comeBack(browser, { code: otherServer.issueCode(mallory), state, tenant: otherTenantId })).reason, 'tenant-mismatch')
      }
      await comeBack(browser, { code: server.issueCode(lihua), state, tenant: tenantId })
      const calls = server.calls.length
      t.equal(readRefusal(await comeBack(browser, { code: server.issueCode(wangwu), state, tenant: tenantId })).reason, 'flow-unknown')
      t.equal(server.calls.length, calls)
      t.same(otherServer.calls, [])
    })

    t.test('T-11: who is signed in as another user or tenant is not switched silently; the page names both', async (t) => {
      for (const [person, from] of [[lihua, server], [mallory, otherServer]] as const) {
        for (const isBegunHere of [false, true]) {
          const victim = gateway.browser()
          await signInSomehow(house, victim, wangwu)
          const before = victim.cookies.get(sessionCookie)
          if (isBegunHere) await pressButton(victim)
          let back = await comeBack(victim, { code: from.issueCode(person), tenant: person.tenant })
          // Also where the person's own SSO session has answered our own request: it may be at another enterprise.
          if (outcomeOf(back) === 'restarted') back = await comeBack(victim, { code: from.issueCode(person), state: stateIn(back.location) ?? '' })
          t.equal(outcomeOf(back), 'asked', `${person.userName} ${isBegunHere}`)
          t.equal(victim.cookies.get(sessionCookie), before)
          t.equal(await whoIsIn(victim), 'wangwu')
          const page = await confirmAs(victim)
          for (const name of ['王五', 'wangwu', '晨曦科技', person.userName, 'stay signed in as before']) t.match(page, name)
          t.equal(await whoIsIn(victim), person.userName)
          t.not(victim.cookies.get(sessionCookie), before)
        }
      }
    })

    t.test('T-11: Back, reload and a code used twice at once are sent once (C-7)', async (t) => {
      const code = server.issueCode(lihua)
      const [one, two] = [gateway.browser(), gateway.browser()]
      for (const browser of [one, two]) await pressButton(browser)
      const answers = await Promise.all([one, one, two, two].map((browser) => comeBack(browser, { code, tenant: tenantId })))
      await comeBack(one, { code, tenant: tenantId })
      t.ok(server.calls.filter(({ endpoint }) => endpoint === 'token').length <= 1)
      if (mode === 'restart') t.ok(answers.some((answer) => outcomeOf(answer) === 'restarted'))
      else t.equal(answers.filter(({ status }) => status === 403).length, 3)
    })

    t.test('what a browser loads ahead, a picture, a frame or a HEAD spends neither code nor marker (C-7)', async (t) => {
      const browser = gateway.browser()
      await pressButton(browser)
      const code = server.issueCode(lihua)
      const guesses: Record<string, string>[] = [
        { 'sec-purpose': 'prefetch' }, { 'sec-purpose': 'prefetch;prerender' }, { purpose: 'prefetch' }, { 'x-moz': 'prefetch' }, { 'x-purpose': 'preview' },
        { 'sec-fetch-dest': 'iframe' }, { 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' }, { 'sec-fetch-dest': 'embed' },
      ]
      for (const headers of guesses) {
        const answer = await comeBack(browser, { code, tenant: tenantId }, headers)
        t.equal(readRefusal(answer).reason, 'cross-site-request', JSON.stringify(headers))
        t.match(answer.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      }
      t.equal((await browser.open(callbackPath({ code, tenant: tenantId }), { method: 'HEAD' })).status, 404)
      t.same(server.calls, [])
      t.equal(outcomeOf(await comeBack(browser, { code, tenant: tenantId })), marker, 'the page load that follows works')
    })

    t.test('every answer of the callback is uncached and without a referrer, refusals as pages and as problem bodies too (C-8)', async (t) => {
      const visits: Record<string, string>[] = [
        {}, { code: 'x' }, { code: 'x', tenant: 'nobody' }, { code: 'x', tenant: tenantId, state: 'f' }, { error: 'access_denied' }, { code: 'never', tenant: tenantId },
      ]
      for (const parameters of visits) {
        for (const headers of [fromAnotherSite, { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'application/json' }]) {
          const answer = await gateway.browser().open(callbackPath(parameters), { headers })
          t.match(answer.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }, JSON.stringify(parameters))
        }
      }
    })
  })
}

t.test('C-6: no header moves the redirect_uri, nor the way on', async (t) => {
  const { gateway, server } = await openHouse(t, 'restart')
  const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example', 'x-original-url': '//evil.example' }
  const browser = gateway.browser()
  const back = await comeBack(browser, { code: 'x', tenant: tenantId }, headers)
  t.equal(new URL(back.location).searchParams.get('redirect_uri'), `${gateway.url}/_gate/callback`)
  await comeBack(browser, { code: server.issueCode(lihua), state: stateIn(back.location) ?? '' }, headers)
  t.equal(server.calls[0]?.form['redirect_uri'], `${gateway.url}/_gate/callback`)
})

t.test('C-3: with PKCE the verifier goes with the code of our own request, and never to the unified page\'s', async (t) => {
  const { gateway, server } = await openHouse(t, 'restart', { JOINTGATE_SIGN_IN_PKCE: 'S256' })
  const browser = gateway.browser()
  const back = await comeBack(browser, { code: 'x', tenant: tenantId })
  const asked = new URL(back.location).searchParams
  t.equal(asked.get('code_challenge_method'), 'S256')
  await comeBack(browser, { code: server.issueCode(lihua), state: asked.get('state') ?? '' })
  const verifier = server.calls[0]?.form['code_verifier'] ?? ''
  t.match(verifier, /^[\w-]{43}$/)
  t.not(asked.get('code_challenge'), verifier, 'no plain')
  t.match(readLog(gateway, 'login.finished'), [{ pkce: 'S256' }])
  t.notMatch(gateway.logLines.join(''), verifier)

  const lost = gateway.browser()
  for (const code of ['x', server.issueCode(lihua)]) await comeBack(lost, { code, tenant: tenantId })
  t.equal(server.calls.at(-2)?.form['code_verifier'], undefined, 'a code that did not come for our request')
})

t.test('an error in place of a code tells so, and the next code is asked about, not restarted again (C-19)', async (t) => {
  const { gateway, server } = await openHouse(t, 'restart')
  const browser = gateway.browser()
  const back = await comeBack(browser, { code: 'x', tenant: tenantId })
  t.equal(readRefusal(await comeBack(browser, { error: 'unsupported_response_type', state: stateIn(back.location) ?? '' })).reason, 'authorization-denied')
  t.equal(outcomeOf(await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })), 'asked')
  await confirmAs(browser)
  t.equal(await whoIsIn(browser), 'lihua')
})

t.test('the setting is the application\'s, with marker as the default (C-4)', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }] })
  t.equal(gateway.config.signIn.statelessCallback, 'marker')
  t.equal(gateway.config.signIn.pkce, 'off')
  await signIn(gateway.browser(), server, lihua)
})
