import t, { type Test } from 'tap'
import { readFileSync } from 'node:fs'
import { createRandomId } from '../../src/base/random-id.ts'
import { sha256 } from '../../src/base/digest.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { stateOf } from '../../src/sign-in/flow-cookies.ts'
import type { Answer, Browser } from '../support/browser.ts'
import { appId, openTestGateway, toPushTime, wireAccount, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer, type Misbehaviour } from '../support/fake-authorization-server.ts'
import {
  callbackPath, comeBack, confirmCookie, flowCookies, fromAnotherSite, otherTenantId, pressButton, readLog, readRefusal, sessionCookie,
  setCookies, signIn, tenantId, whoIsIn, WitnessBrowser,
} from '../support/sign-in-steps.ts'
import { storedSession, until } from '../support/signed-in.ts'

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }
const wangwu = { userName: 'wangwu', name: '王五', tenant: tenantId }
const stranger = { userName: 'mallory', name: 'Mallory', tenant: otherTenantId }

/** Two cases wait for it; a busy machine must not take it for silence. */
const authorizationServerTimeoutSeconds = 3

/** A gateway with two bound tenants, each with an authorization server of its own. */
async function openHouse (t: Test, env: Record<string, string> = {}) {
  const server = await openFakeAuthorizationServer(t)
  const otherServer = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t, { env, authorizationServerTimeoutSeconds })
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }, { userName: 'wangwu' }] })
  await gateway.bind({
    tenantId: otherTenantId, domainName: otherServer.url, name: '别家公司', clientId: 'client-other', accounts: [{ userName: 'mallory' }],
  })
  return { server, otherServer, gateway }
}

const house = await openHouse(t)

/** One for all that need no settings of their own: starting costs more than a case. */
function enter () {
  const { gateway, server, otherServer } = house
  for (const list of [server.calls, otherServer.calls, gateway.upstream.requests, gateway.logLines]) list.length = 0
  return house
}

async function openQuestion (browser: Browser): Promise<string> {
  const { body } = await browser.open('/_gate/confirm')
  return /name="anti_forgery" value="([^"]+)"/.exec(body)?.[1] ?? ''
}

const hasSession = (gateway: TestGateway, id: string | undefined) => gateway.storage.sessions.find(sha256(id ?? '') as SessionRef)

t.test('a callback that this browser did not ask for signs nobody in before the person says so (T-11 b)', async (t) => {
  const { gateway, server } = enter()
  const victim = gateway.browser()
  const back = await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId })
  t.equal(back.status, 303)
  t.equal(back.location, '/_gate/confirm')
  t.same([...victim.cookies.keys()], [confirmCookie])
  t.equal(await whoIsIn(victim), undefined)
  t.match((await victim.open('/reports')).location, /^\/_gate\/sign-in/)
  t.same(gateway.upstream.requests, [])

  const page = await victim.open('/_gate/confirm')
  t.match(page.body, '晨曦科技')
  t.match(page.body, 'lihua')
  t.equal(page.headers['content-security-policy']?.includes("frame-ancestors 'none'"), true)
  t.equal(await whoIsIn(victim), undefined, 'nor by looking at the page')

  const confirmed = await victim.submit('/_gate/confirm', { anti_forgery: await openQuestion(victim) })
  t.equal(confirmed.status, 303)
  t.equal(confirmed.location, '/')
  t.equal(await whoIsIn(victim), 'lihua')
  t.notOk(victim.cookies.has(confirmCookie))
})

t.test('a foreign state is refused before any call (T-11 a)', async (t) => {
  const { gateway, server } = enter()
  const attacker = gateway.browser()
  await pressButton(attacker)
  const foreign = stateOf(attacker.cookies.get(flowCookies(attacker)[0] ?? '') ?? '')
  const victim = gateway.browser()
  await pressButton(victim)
  for (const state of [foreign, 'a'.repeat(64), '1', stateOf(''), victim.cookies.get(flowCookies(victim)[0] ?? '') ?? '']) {
    const refused = await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId, state })
    t.equal(readRefusal(refused).reason, 'flow-unknown')
    t.equal(await whoIsIn(victim), undefined)
  }
  t.same(server.calls, [])
  t.equal((await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId })).status, 303, 'the own login has not suffered')
})

t.test('an own flow is good once, also with a kept cookie (T-11 c)', async (t) => {
  const { gateway, server } = enter()
  const browser = gateway.browser()
  await pressButton(browser)
  const [name = ''] = flowCookies(browser)
  const secret = browser.cookies.get(name) ?? ''
  await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
  const calls = server.calls.length

  const keeper = gateway.browser()
  keeper.cookies.set(name, secret)
  const withState = await comeBack(keeper, { code: server.issueCode(wangwu), state: stateOf(secret), tenant: tenantId })
  t.equal(readRefusal(withState).reason, 'flow-expired')
  t.equal(server.calls.length, calls)
  const without = await comeBack(keeper, { code: server.issueCode(wangwu), tenant: tenantId })
  t.equal(without.location, '/_gate/confirm', 'a spent flow vouches for nothing')
  t.equal(await whoIsIn(keeper), undefined)
})

t.test('the state of another tab or tenant leads to that login and no other (T-11 d, T-43)', async (t) => {
  const { gateway, server, otherServer } = await openHouse(t, { JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'restart' })
  const browser = gateway.browser()
  const stateFor = async (tenant: string) => new URL((await comeBack(browser, { code: 'x', tenant })).location).searchParams.get('state') ?? ''
  const state = await stateFor(tenantId)
  const otherState = await stateFor(otherTenantId)
  t.not(state, otherState)

  const mixed = await comeBack(browser, { code: otherServer.issueCode(stranger), state, tenant: otherTenantId })
  t.equal(readRefusal(mixed).reason, 'tenant-mismatch')
  t.same([...server.calls, ...otherServer.calls], [], 'before any call')
  const foreignCode = await comeBack(browser, { code: otherServer.issueCode(stranger), state })
  t.equal(readRefusal(foreignCode).reason, 'code-refused', 'the code goes to the server of the flow')
  t.same(otherServer.calls, [])
  t.equal((await comeBack(browser, { code: otherServer.issueCode(stranger), state: otherState })).location, '/')
  t.equal(await whoIsIn(browser), 'mallory', 'the other tab works')
})

t.test('a code brought by a picture, a frame, a script or a form of another site is not even sent (T-11)', async (t) => {
  const { gateway, server } = enter()
  const victim = gateway.browser()
  await signIn(victim, server, wangwu)
  await pressButton(victim)
  const calls = server.calls.length
  const code = server.issueCode(lihua)
  const embeddings: Record<string, string>[] = [
    { 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate' },
    { 'sec-fetch-dest': 'object', 'sec-fetch-mode': 'navigate' },
    { 'sec-fetch-dest': 'script', 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'no-cors' },
  ]
  for (const headers of embeddings) {
    // From a site that shares our domain the browser sends Lax cookies too; from all others it doesn't.
    for (const [site, browser] of [['same-site', victim], ['cross-site', gateway.browser()]] as const) {
      const answer = await browser.open(callbackPath({ code, tenant: tenantId }), { headers: { ...headers, 'sec-fetch-site': site } })
      t.equal(answer.status, 403, `${headers['sec-fetch-dest']} ${site}`)
      t.equal(readRefusal(answer).reason, 'cross-site-request')
      t.same(setCookies(answer), [])
    }
  }
  for (const headers of [fromAnotherSite, {}]) {
    const form = await victim.submit('/_gate/callback', { code, tenant: tenantId }, headers)
    t.equal(form.status, 404)
    t.same(setCookies(form), [])
  }
  t.equal((await victim.open(callbackPath({ code, tenant: tenantId }), { method: 'HEAD' })).status, 404, 'nor by HEAD')
  t.equal(server.calls.length, calls)
  t.equal(await whoIsIn(victim), 'wangwu')
  t.equal((await comeBack(victim, { code: server.issueCode(wangwu), tenant: tenantId })).status, 303, 'the own login is still alive')
})

t.test('who is signed in is not switched silently, and after the word the old session is dead (T-11, C-21)', async (t) => {
  const { gateway, server, otherServer } = enter()
  for (const [person, from] of [[lihua, server], [stranger, otherServer]] as const) {
    const victim = gateway.browser()
    await signIn(victim, server, wangwu)
    const before = victim.cookies.get(sessionCookie)
    const back = await comeBack(victim, { code: from.issueCode(person), tenant: person.tenant })
    t.equal(back.location, '/_gate/confirm')
    t.equal(victim.cookies.get(sessionCookie), before)
    t.equal(await whoIsIn(victim), 'wangwu')
    await victim.submit('/_gate/confirm', { anti_forgery: await openQuestion(victim) })
    t.equal(await whoIsIn(victim), person.userName)
    t.not(victim.cookies.get(sessionCookie), before)
    t.equal(await hasSession(gateway, before), undefined, 'dead in the store')
  }
})

t.test('a login left open in a second tab does not let another site swap the person (T-11)', async (t) => {
  const { gateway, server } = enter()
  const victim = gateway.browser()
  await signIn(victim, server, wangwu)
  await pressButton(victim, '/kept')
  const before = victim.cookies.get(sessionCookie)
  const back = await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId })
  t.equal(back.location, '/_gate/confirm')
  t.equal(await whoIsIn(victim), 'wangwu')
  const confirmed = await victim.submit('/_gate/confirm', { anti_forgery: await openQuestion(victim) })
  t.equal(confirmed.location, '/kept', 'the word given, it goes on to where it was meant to')
  t.equal(await whoIsIn(victim), 'lihua')
  t.equal(await hasSession(gateway, before), undefined)
})

t.test('a code used in two tabs at once is sent once (T-11, C-7)', async (t) => {
  const { gateway, server } = enter()
  const browser = gateway.browser()
  for (const page of ['/one', '/two']) {
    gateway.clock.advance(1000)
    await pressButton(browser, page)
  }
  const code = server.issueCode(lihua)
  const answers = await Promise.all([1, 2, 3, 4].map(() => comeBack(browser, { code, tenant: tenantId })))
  t.same(answers.map(({ status }) => status).sort(), [303, 403, 403, 403])
  t.same(answers.filter(({ status }) => status === 403).map((answer) => readRefusal(answer).reason), ['code-reused', 'code-reused', 'code-reused'])
  t.equal(server.calls.filter(({ endpoint }) => endpoint === 'token').length, 1)
  t.equal(await whoIsIn(browser), 'lihua')
  t.equal(flowCookies(browser).length, 1, 'the other tab may still come back')

  const strangers = await Promise.all([1, 2].map(() => comeBack(gateway.browser(), { code, tenant: tenantId })))
  t.same(strangers.map((answer) => readRefusal(answer).reason), ['code-reused', 'code-reused'], 'in other browsers too')
})

t.test('one flow in two tabs at once signs in once', async (t) => {
  const { gateway, server } = enter()
  const browser = gateway.browser()
  await pressButton(browser)
  const comeBackAs = (person: typeof lihua) => comeBack(browser, { code: server.issueCode(person), tenant: tenantId })
  const answers = await Promise.all([lihua, wangwu].map(comeBackAs))
  t.equal(answers.filter(({ location }) => location === '/').length, 1)
  t.equal(answers.filter((answer) => answer.location === '/_gate/confirm' || readRefusal(answer).reason === 'flow-unknown').length, 1)
})

t.test('a marker that has expired vouches for nothing (T-11, C-2)', async (t) => {
  const { gateway, server } = enter()
  const browser = gateway.browser()
  await pressButton(browser)
  const secret = browser.cookies.get(flowCookies(browser)[0] ?? '') ?? ''
  gateway.clock.advance(599_999)
  const alive = await comeBack(browser, { code: 'x', state: stateOf(secret), tenant: 'nobody' })
  t.equal(readRefusal(alive).reason, 'tenant-unknown', 'alive for ten minutes')
  gateway.clock.advance(1)
  t.equal(readRefusal(await comeBack(browser, { code: 'x', state: stateOf(secret), tenant: tenantId })).reason, 'flow-expired')
  t.same(server.calls, [])
  t.equal((await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })).location, '/_gate/confirm')
  t.equal(await whoIsIn(browser), undefined)
})

t.test('Back to the callback repeats nothing and ends nothing (T-11, C-7)', async (t) => {
  const { gateway, server } = enter()
  const browser = gateway.browser()
  await pressButton(browser)
  const parameters = { code: server.issueCode(lihua), tenant: tenantId }
  await comeBack(browser, parameters)
  const calls = server.calls.length
  for (const headers of [{}, fromAnotherSite]) {
    t.equal(readRefusal(await browser.open(callbackPath(parameters), { headers })).reason, 'code-reused')
  }
  t.equal(server.calls.length, calls)
  t.equal(await whoIsIn(browser), 'lihua')
})

t.test('the confirm page: only the person, only once, only in time', async (t) => {
  const { gateway, server } = enter()
  const asked = async (person: Record<string, string> = lihua) => {
    const browser = gateway.browser()
    await comeBack(browser, { code: server.issueCode(person), tenant: tenantId })
    return { browser, antiForgery: await openQuestion(browser) }
  }
  const { browser, antiForgery } = await asked()
  const { antiForgery: foreign } = await asked(wangwu)
  const confirm = (form: Record<string, string>, headers: Record<string, string> = {}) => browser.submit('/_gate/confirm', form, headers)

  const attempts: [string, Record<string, string>, Record<string, string>][] = [
    ['missing anti-forgery', {}, {}],
    ['empty', { anti_forgery: '' }, {}],
    ['wrong', { anti_forgery: `${antiForgery}x` }, {}],
    ['the cookie itself', { anti_forgery: browser.cookies.get(confirmCookie) ?? '' }, {}],
    ['of another browser', { anti_forgery: foreign }, {}],
    ['cross-site', { anti_forgery: antiForgery }, fromAnotherSite],
    ['sibling site', { anti_forgery: antiForgery }, { 'sec-fetch-site': 'same-site' }],
    ['foreign origin', { anti_forgery: antiForgery }, { 'sec-fetch-site': 'none', origin: 'https://evil.example' }],
  ]
  for (const [what, form, headers] of attempts) {
    const answer = await confirm(form, headers)
    t.equal(readRefusal(answer).reason, 'cross-site-request', what)
    t.equal(await whoIsIn(browser), undefined)
  }
  const twice = await browser.open('/_gate/confirm', {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: `${browser.cookieHeader()}; ${confirmCookie}=${createRandomId()}` },
  })
  t.equal(readRefusal(twice).reason, 'confirmation-expired', 'two cookies of one name: neither counts (C-32)')

  const kept = browser.cookies.get(confirmCookie) ?? ''
  t.equal((await confirm({ anti_forgery: antiForgery })).location, '/', 'refused attempts have not used it up')
  t.equal(await whoIsIn(browser), 'lihua')
  const replayer = gateway.browser()
  replayer.cookies.set(confirmCookie, kept)
  t.equal(readRefusal(await replayer.submit('/_gate/confirm', { anti_forgery: antiForgery })).reason, 'confirmation-expired', 'replayed')
  t.equal(await whoIsIn(replayer), undefined)

  const late = await asked()
  gateway.clock.advance(300_000)
  t.equal(readRefusal(await late.browser.submit('/_gate/confirm', { anti_forgery: late.antiForgery })).reason, 'confirmation-expired')
  t.equal(readRefusal(await late.browser.open('/_gate/confirm')).reason, 'confirmation-expired')
  t.equal(await whoIsIn(late.browser), undefined)

  const double = await asked()
  const both = await Promise.all([1, 2].map(() => double.browser.submit('/_gate/confirm', { anti_forgery: double.antiForgery })))
  t.same(both.map(({ status }) => status).sort(), [303, 403], 'pressed twice at once')
})

t.test('access taken away while the confirm page was open is not confirmed, not even after it was given back', async (t) => {
  const { gateway, server } = enter()
  const members = { tenantId, appId, userList: [wireAccount({ userName: 'lihua' })] }
  for (const isGivenBack of [false, true]) {
    await gateway.push('authSync', { ...members, flag: 1, currentSyncTime: toPushTime(gateway.clock.now()) })
    const browser = gateway.browser()
    await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
    const antiForgery = await openQuestion(browser)
    await gateway.push('authSync', { ...members, flag: 3 })
    if (isGivenBack) await gateway.push('authSync', { ...members, flag: 1, currentSyncTime: toPushTime(gateway.clock.now()) })
    const answer = await browser.submit('/_gate/confirm', { anti_forgery: antiForgery })
    t.equal(readRefusal(answer).reason, 'authorisation-withdrawn')
    t.equal(await whoIsIn(browser), undefined)
  }
})

t.test('another site cannot plant a live flow (T-11 b)', async (t) => {
  const { gateway } = enter()
  const origin = gateway.url
  const attempts: [headers: Record<string, string>, status: number][] = [
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'none' }, 403],
    [{ 'sec-fetch-site': 'cross-site', origin }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 303],
  ]
  for (const [headers, status] of attempts) {
    const browser = gateway.browser()
    const answer = await pressButtonWith(browser, headers)
    t.equal(answer.status, status, JSON.stringify(headers))
    t.equal(flowCookies(browser).length, status === 303 ? 1 : 0)
  }
  // Browsers from before Fetch Metadata: the origin decides, and without one there is no proof.
  for (const [from, status] of [[origin, 303], ['https://evil.example', 403], ['null', 403], [undefined, 403]] as const) {
    const answer = await fetch(`${origin}/_gate/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-mode': '', ...(from === undefined ? {} : { origin: from }) },
      body: '',
    })
    t.equal(answer.status, status, `origin ${from}`)
  }
})

function pressButtonWith (browser: Browser, headers: Record<string, string>): Promise<Answer> {
  return browser.submit('/_gate/sign-in', {}, headers)
}

/** Signs in over another person's living session, which asks for a word first. */
async function switchTo (browser: Browser, code: string): Promise<Answer> {
  await pressButton(browser, '/kept')
  await comeBack(browser, { code, tenant: tenantId })
  return await browser.submit('/_gate/confirm', { anti_forgery: await openQuestion(browser) })
}

t.test('each sign-in makes a new session id; what the browser brought is dead and never adopted (T-12)', async (t) => {
  const { gateway, server, otherServer } = enter()
  const attacker = gateway.browser()
  await signIn(attacker, otherServer, stranger)
  const planted = attacker.cookies.get(sessionCookie) ?? ''
  for (const value of [planted, createRandomId(), 'admin', '']) {
    const victim = gateway.browser()
    victim.cookies.set(sessionCookie, value)
    if (value === planted) await switchTo(victim, server.issueCode(lihua))
    else await signIn(victim, server, lihua)
    const id = victim.cookies.get(sessionCookie) ?? ''
    t.not(id, value)
    t.match(id, /^[\w-]{43}$/, '256 bits (C-20)')
    t.equal(await hasSession(gateway, value), undefined, 'the planted id leads nowhere')
    t.equal(await whoIsIn(victim), 'lihua')
  }
  t.equal(await whoIsIn(attacker), undefined, 'nor for who planted it')

  const again = gateway.browser()
  const ids: string[] = []
  for (const person of [lihua, lihua]) {
    await signIn(again, server, person)
    ids.push(again.cookies.get(sessionCookie) ?? '')
  }
  t.not(ids[0], ids[1], 'also for the same person')
  t.equal(await hasSession(gateway, ids[0]), undefined)

  const confirmed = gateway.browser()
  await signIn(confirmed, server, wangwu)
  const before = confirmed.cookies.get(sessionCookie)
  await comeBack(confirmed, { code: server.issueCode(wangwu), tenant: tenantId })
  await confirmed.submit('/_gate/confirm', { anti_forgery: await openQuestion(confirmed) })
  t.not(confirmed.cookies.get(sessionCookie), before, 'and by the confirm page')
  t.equal(await hasSession(gateway, before), undefined)
})

t.test('a planted flow or confirm cookie of unknown value is none', async (t) => {
  const { gateway, server } = enter()
  const victim = gateway.browser()
  victim.cookies.set('__Host-jointgate-flow-abcdefgh', createRandomId())
  victim.cookies.set(confirmCookie, createRandomId())
  t.equal(readRefusal(await victim.open('/_gate/confirm')).reason, 'confirmation-expired')
  t.equal((await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId })).location, '/_gate/confirm')
  t.equal(await whoIsIn(victim), undefined)
})

t.test('a parameter that comes twice, as an array, empty or over-long is refused without a call (T-40)', async (t) => {
  const { gateway, server } = enter()
  const browser = gateway.browser()
  await pressButton(browser, '/reports')
  const code = server.issueCode(lihua)
  const good = `code=${code}&tenant=${tenantId}`
  const queries = [
    '', `code=${code}`, `tenant=${tenantId}`, `${good}&code=${code}`, `${good}&code=other`, `${good}&tenant=${tenantId}`, `${good}&tenant=${otherTenantId}`,
    `${good}&state=a&state=b`, `${good}&iss=a&iss=b`, `${good}&error=a&error=b`, `code[]=${code}&tenant=${tenantId}`, `code=${code}&tenant[]=${tenantId}`,
    `code[0]=${code}&tenant=${tenantId}`, `code%5B%5D=${code}&tenant=${tenantId}`, `Code=${code}&tenant=${tenantId}`, `code=&tenant=${tenantId}`,
    `code=${code}&tenant=`, `code=${'a'.repeat(2049)}&tenant=${tenantId}`, `code=${code}&tenant=${'a'.repeat(65)}`, `${good}&state=${'a'.repeat(2049)}`,
    `${good}&iss=${'a'.repeat(2049)}`, `${good};code=x`.replace('&', ';'), `__proto__=x&tenant=${tenantId}`, `constructor=x&code=${code}`,
  ]
  for (const query of queries) {
    const answer = await browser.open(`/_gate/callback?${query}`, { headers: fromAnotherSite })
    t.equal(answer.status, 400, query.slice(0, 60))
    t.equal(readRefusal(answer).reason, 'callback-malformed')
    t.same(setCookies(answer), [])
  }
  t.same(server.calls, [])
  t.equal((await comeBack(browser, { tenant: tenantId, code, unknown: 'x' })).location, '/reports', 'in any order, with more beside, code and flow unspent')
})

t.test('the tenant is never taken from where it is not signed (T-43)', async (t) => {
  const { gateway, server, otherServer } = enter()
  const arrive = async (parameters: Record<string, string>) => {
    const browser = gateway.browser()
    await pressButton(browser)
    const answer = await comeBack(browser, parameters)
    return { reason: readRefusal(answer).reason, who: await whoIsIn(browser) }
  }
  for (const tenant of ['nobody-knows', tenantId.toUpperCase(), `${tenantId} `, `${tenantId}/../x`, '__proto__', 'constructor', '127.0.0.1:1', '%00']) {
    t.same(await arrive({ code: server.issueCode(lihua), tenant }), { reason: 'tenant-unknown', who: undefined }, tenant)
  }
  for (const iss of [otherServer.url, `${server.url}/`, 'https://evil.example', `${server.url}@evil.example`]) {
    t.same(await arrive({ code: server.issueCode(lihua), tenant: tenantId, iss }), { reason: 'tenant-mismatch', who: undefined }, iss)
  }
  t.same([...server.calls, ...otherServer.calls], [], 'no outgoing call')
  t.same(await arrive({ code: server.issueCode(lihua), tenant: tenantId, iss: server.url }), { reason: undefined, who: 'lihua' })
  t.same(await arrive({ code: server.issueCode(lihua), tenant: otherTenantId }), { reason: 'code-refused', who: undefined }, 'a foreign tenant named')
  for (const tenant of [otherTenantId, `${tenantId}x`, tenantId.toUpperCase()]) {
    t.same(await arrive({ code: server.issueCode({ ...lihua, tenant }), tenant: tenantId }), { reason: 'tenant-mismatch', who: undefined }, `userinfo names ${tenant}`)
  }
  t.match(readLog(gateway, 'access.refused').findLast(({ userName }) => userName !== undefined) ?? {}, { reason: 'tenant-mismatch', tenantId, userName: 'lihua' }, 'audited')
  t.same(await arrive({ code: server.issueCode({ userName: 'lihua' }), tenant: tenantId }), { reason: undefined, who: 'lihua' }, 'userinfo names none')
  t.same(await arrive({ code: server.issueCode({ userName: 'mallory', tenant: tenantId }), tenant: tenantId }),
    { reason: 'account-not-authorised', who: undefined }, 'an account of another tenant')
})

t.test('mail, phone and odd names identify nobody (T-20, T-42, C-12)', async (t) => {
  const { gateway, server } = enter()
  const userinfos: [Record<string, unknown>, string][] = [
    [{ userName: 'LIHUA' }, 'account-not-authorised'], [{ userName: 'lihua ' }, 'account-not-authorised'], [{ userName: 'lihua@x' }, 'account-not-authorised'],
    [{ userName: '__proto__' }, 'account-not-authorised'], [{ userName: 'constructor' }, 'account-not-authorised'],
    [{ email: 'lihua@example.com', mobile: '138' }, 'account-unnamed'], [{ userName: ['lihua'] }, 'account-unnamed'], [{ userName: { lihua: 1 } }, 'account-unnamed'],
    [{ userName: '' }, 'account-unnamed'], [{ userName: 'a'.repeat(257) }, 'account-unnamed'], [{ userName: 'lihua', tenant: [tenantId] }, 'account-unnamed'],
  ]
  for (const [userinfo, reason] of userinfos) {
    const browser = gateway.browser()
    await pressButton(browser)
    const answer = await comeBack(browser, { code: server.issueCode(userinfo), tenant: tenantId })
    t.equal(readRefusal(answer).reason, reason, JSON.stringify(userinfo).slice(0, 50))
  }
})

t.test('a code is sent once, whatever became of it (C-7)', async (t) => {
  const { gateway, server } = enter()
  const failures: (Misbehaviour | undefined)[] = [
    undefined, 'status-500', 'reset', 'html', { status: 400, body: { error: 'invalid_grant' } }, { status: 401, body: { error: 'invalid_client' } }, 'hang',
  ]
  for (const failure of failures) {
    for (const endpoint of ['token', 'userinfo'] as const) {
      if (failure === 'hang' && endpoint === 'userinfo') continue
      const browser = gateway.browser()
      await pressButton(browser)
      const code = server.issueCode(lihua)
      if (failure !== undefined) server.misbehaviours.set(endpoint, failure)
      await comeBack(browser, { code, tenant: tenantId })
      server.misbehaviours.clear()
      const calls = server.calls.length
      for (const minutes of [0, 9, 30]) {
        gateway.clock.advance(minutes * 60_000)
        await gateway.storage.flows.sweep(gateway.clock.now())
        await pressButton(browser)
        t.equal(readRefusal(await comeBack(browser, { code, tenant: tenantId })).reason, 'code-reused', JSON.stringify(failure))
      }
      t.equal(server.calls.length, calls)
    }
  }
})

t.test('every cookie is __Host-, Secure, HttpOnly, Lax, of this host and small; deletions repeat it (T-14, T-26, C-30)', async (t) => {
  const { gateway, server } = enter()
  const browser = new WitnessBrowser(gateway.url)
  await signIn(browser, server, lihua)
  await browser.open('/_gate/sign-in?lang=zh-CN')
  for (let tab = 0; tab < 7; tab++) {
    gateway.clock.advance(60_000)
    await pressButton(browser)
  }
  gateway.clock.advance(600_000)
  await pressButton(browser)
  await comeBack(gateway.browser(), { code: server.issueCode(wangwu), tenant: tenantId })
  for (const name of flowCookies(browser)) browser.cookies.delete(name)
  await comeBack(browser, { code: server.issueCode(wangwu), tenant: tenantId })
  await browser.submit('/_gate/confirm', { anti_forgery: await openQuestion(browser) })
  browser.cookies.set(sessionCookie, createRandomId())
  await browser.open('/')
  await signIn(browser, server, lihua)
  await browser.submit('/_gate/sign-out')

  const lines = browser.answers.flatMap((answer) => setCookies(answer))
  const seen = new Set<string>()
  for (const line of lines) {
    const [pair = '', ...attributes] = line.split('; ')
    const name = pair.slice(0, pair.indexOf('='))
    const value = pair.slice(name.length + 1)
    const isDeletion = attributes.some((attribute) => attribute.startsWith('Expires='))
    seen.add(`${isDeletion ? '-' : '+'}${name.replace(/flow-[\w-]+$/, 'flow')}`)
    t.match(name, /^__Host-jointgate(?:-[\w-]+)?$/)
    t.match(value, isDeletion ? /^$/ : /^[\w.-]+$/)
    t.ok(name.length + value.length <= 4096)
    const rest = attributes.filter((attribute) => !/^Max-Age=\d+$|^Expires=Thu, 01 Jan 1970 00:00:00 GMT$/.test(attribute))
    t.same(rest.sort(), ['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'], line.replace(value, '…'))
  }
  const names = ['', '-flow', '-confirm', '-starts'].map((suffix) => `__Host-jointgate${suffix}`)
  t.same([...seen].sort(), [...names.flatMap((name) => [`+${name}`, `-${name}`]), '+__Host-jointgate-lang'].sort(), 'each was seen to come and to go')
  t.ok(browser.answers.filter((answer) => setCookies(answer).length > 0).every(({ headers }) => headers['cache-control'] === 'no-store'), 'T-47')
})

t.test('the callback answers 303 to a clean address, uncached and without a referrer (C-8)', async (t) => {
  const { gateway, server } = enter()
  const started = gateway.browser()
  await pressButton(started, '/reports?year=2025')
  const answers = [
    await comeBack(started, { code: server.issueCode(lihua), tenant: tenantId }),
    await comeBack(gateway.browser(), { code: server.issueCode(lihua), tenant: tenantId }),
  ]
  t.same(answers.map(({ location }) => location), ['/reports?year=2025', '/_gate/confirm'])
  for (const { status, headers, body } of answers) {
    t.equal(status, 303)
    t.equal(headers['cache-control'], 'no-store')
    t.equal(headers['referrer-policy'], 'no-referrer')
    t.equal(body, '')
  }
  const refused = await comeBack(gateway.browser(), { code: 'x', tenant: 'nobody' })
  t.equal(refused.headers['cache-control'], 'no-store')
  t.equal(refused.headers['referrer-policy'], 'no-referrer')
  t.notMatch(refused.body, /(?:src|href|action)="(?:https?:)?\/\//, 'nothing of third parties')
})

t.test('no secret is in any log line, page, problem body, header or address (T-38, C-10, C-34)', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t, { env: { JOINTGATE_LOG_LEVEL: 'trace' }, authorizationServerTimeoutSeconds })
  const person = { userName: 'lihua', tenant: tenantId, mobile: '13800canary', email: 'canary@mail.example' }
  const accounts = [{ ...wireAccount({ userName: 'lihua', name: '李华' }), mobile: person.mobile, email: person.email }]
  await gateway.bind({ tenantId, domainName: server.url, clientSecret: 'client-secret-canary' })
  const grant = { tenantId, appId, userList: accounts, currentSyncTime: '20250101080000000' }
  await gateway.push('authSync', { ...grant, flag: 1 })
  const browser = new WitnessBrowser(gateway.url)
  const secrets = new Set(['client-secret-canary', person.mobile, person.email])
  const remember = () => {
    for (const [name, value] of browser.cookies) if (!/-(?:lang|starts)$/.test(name)) secrets.add(value)
  }
  const step = async (work: Promise<unknown>) => {
    await work
    remember()
  }

  // In by the button, through the application, in again by the confirm page.
  await step(pressButton(browser, '/reports'))
  await step(comeBack(browser, { code: server.issueCode(person), tenant: tenantId }))
  await step(browser.open('/reports'))
  secrets.add(String(gateway.upstream.requests[0]?.headers['x-identity-assertion']))
  await step(browser.fetch('/_gate/session'))
  await step(comeBack(browser, { code: server.issueCode(person), tenant: tenantId }))
  const antiForgery = await openQuestion(browser)
  await step(browser.submit('/_gate/confirm', { anti_forgery: 'wrong' }))
  await step(browser.submit('/_gate/confirm', { anti_forgery: antiForgery }))

  // Renewal: one that works, one that is refused with the token quoted. The clock may go on only when the sighting is on the disk, or
  // the session would look idle.
  const isSeen = async () => (await storedSession(gateway, browser.cookieHeader()))?.lastSeenAt === gateway.clock.now()
  for (const isRefused of [false, true]) {
    gateway.clock.advance(3500_000)
    await step(browser.fetch('/api'))
    await until(isSeen)
    const renewed = server.nextCall(isRefused ? 'token' : 'userinfo')
    if (isRefused) server.misbehaviours.set('token', { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid refresh token: refresh-canary' } })
    gateway.clock.advance(3450_000)
    await step(browser.fetch('/api'))
    await renewed
    if (!isRefused) await until(isSeen)
    server.misbehaviours.clear()
  }

  // Refusals and failures, each as a page and as a problem body.
  const failures: Misbehaviour[] = [
    { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid authorization code: code-canary-0' } },
    { status: 401, body: { error: 'invalid_client', client_secret: 'client-secret-canary' } },
    { status: 200, body: { access_token: { nested: 'access-canary-0' } } },
    { status: 500, body: { message: 'code-canary-0 access-canary-0' }, headers: { 'www-authenticate': 'Bearer error="x", token="access-canary-0"' } },
    'reset', 'html', 'not-json', 'redirect', 'gzip', 'hang',
  ]
  for (const failure of failures) {
    for (const endpoint of ['token', 'userinfo'] as const) {
      server.misbehaviours.set(endpoint, failure)
      await step(pressButton(browser))
      const code = server.issueCode(person)
      await step(endpoint === 'token' ? comeBack(browser, { code, tenant: tenantId }) : browser.fetch(callbackPath({ code, tenant: tenantId })))
      server.misbehaviours.clear()
      if (failure === 'hang') break
    }
  }
  const code = 'code-canary-x'
  for (const query of [{ code }, { code, tenant: 'tenant' }, { error: code, tenant: tenantId }, { code, state: 'flow-canary' }]) {
    await step(comeBack(browser, query))
    await step(browser.fetch(callbackPath(query)))
  }
  await step(browser.open('/_gate/confirm', { method: 'POST', headers: { 'content-type': 'application/json' }, form: { anti_forgery: 'code-canary-x' } }))
  await step(browser.open('/_gate/callback/%ff?code=code-canary-x'))
  await step(browser.open('/_gate/nothing?code=code-canary-x'))
  await step(browser.open('/a/../b?code=code-canary-x'))

  // Pushes: good, refused, unsigned, and one that ends a live session.
  await gateway.push('authSync', { ...grant, flag: 7 })
  await gateway.push('applicationSync', { tenantId, appId, clientId: 'client-1', clientSecret: 'client-secret-canary', flag: 1 })
  await step(browser.open('/_gate/marketplace/produceAPI/v2/authSync', { method: 'POST', form: { mobile: person.mobile } }))
  gateway.clock.advance(60_000)
  await step(signIn(browser, server, person))
  await gateway.push('authSync', { ...grant, flag: 3 })
  await step(browser.open('/reports'))

  gateway.upstream.answer = (_request, response) => { response.socket?.destroy() }
  await gateway.push('authSync', { ...grant, flag: 1 })
  gateway.clock.advance(60_000)
  await step(signIn(browser, server, person))
  t.equal((await browser.open('/reports?code=code-canary-x')).status, 502)
  await step(browser.submit('/_gate/sign-out'))

  t.ok(secrets.size > 25)
  t.ok(gateway.logLines.length > 40)
  const isHeard = (place: string, text: string) => {
    const heard = [...secrets].find((secret) => text.includes(secret)) ?? /\b(?:code|access|refresh|flow)-canary[\w-]*/.exec(text)?.[0]
    t.equal(heard, undefined, place)
  }
  for (const line of gateway.logLines) isHeard(`log: ${line.slice(0, 80)}`, line)
  for (const { status, headers, body } of browser.answers) {
    const { 'set-cookie': _ownPlace, ...others } = headers
    isHeard(`answer ${status}`, `${JSON.stringify(others)}\n${body}`)
  }
})

t.test('no wish for a return leads off our origin (T-09)', async (t) => {
  const { gateway, server } = enter()
  const corpus = new URL('../corpora/open-redirects.txt', import.meta.url)
  const lines = readFileSync(corpus, 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('# '))
  const read = lines.map((line) => JSON.parse(`"${line}"`) as string)
  const isOurs = (address: string) => !/^[\\/]{2}/.test(address) && new URL(address, gateway.url).origin === gateway.url
  const browser = gateway.browser()
  // A part of them by real requests; test/base judges them all.
  for (const wish of [...wishes, ...read.filter((_, index) => index % 5 === 0)]) {
    const page = await browser.open(`/_gate/sign-in?return_to=${encodeURIComponent(toWellFormed(wish))}`)
    const shown = /name="return_to" value="([^"]*)"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&') ?? '//none'
    if (!isOurs(shown) || !shown.startsWith('/')) t.fail(`${wish} is shown as ${shown}`)
  }
  // The whole way for ours and a few more, since each costs writes to disk.
  for (const wish of [...wishes, ...read.filter((_, index) => index % 30 === 0)]) {
    const visitor = gateway.browser()
    await visitor.submit('/_gate/sign-in', { return_to: toWellFormed(wish) })
    const { status, location } = await comeBack(visitor, { code: server.issueCode(lihua), tenant: tenantId })
    if (status !== 303 || !isOurs(location)) t.fail(`${wish} leads to ${status} ${location}`)
  }
  for (const wish of ['//evil.example', 'https://evil.example']) {
    const visitor = gateway.browser()
    await pressButton(visitor, '/kept')
    const wished = { return_to: wish, redirect_uri: wish, RelayState: wish }
    const back = await comeBack(visitor, { code: server.issueCode(lihua), tenant: tenantId, ...wished })
    t.equal(back.location, '/kept', 'the callback takes no wish')
  }
  const repeated = await fetch(`${gateway.url}/_gate/sign-in?return_to=/a&return_to=//evil.example`)
  t.match(await repeated.text(), 'name="return_to" value="/"')
  const kept = gateway.browser()
  t.equal((await signIn(kept, server, lihua, '/a/b?x=1&y=%2F%2Fevil.example#part')).location, '/a/b?x=1&y=%2F%2Fevil.example#part', 'a good wish is kept whole')
})

const toWellFormed = (text: string): string => Buffer.from(text).toString()

const wishes = [
  '//evil.example', '///evil.example', '////evil.example', '/\\evil.example', '\\/evil.example', '\\\\evil.example', '/\t/evil.example', '/\n/evil.example',
  '/\r\n/evil.example', '\t//evil.example', ' //evil.example', '/ /evil.example', 'https://evil.example', 'https:evil.example', 'https:/evil.example',
  'HTTPS://evil.example', 'http:\\\\evil.example', 'javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'evil.example', '@evil.example',
  '/@evil.example', '/.evil.example', '/..//evil.example', '/a/..//evil.example', '/./\\evil.example', '/%2f%2fevil.example', '/%5cevil.example', '/%09/evil.example',
  '/%0d%0aLocation:%20https://evil.example', '/\u0000/evil.example', '/\u2028//evil.example', '/\uff0fevil.example', '//evil%E3%80%82example', '/%2e%2e//evil.example',
  '/;@evil.example', '?//evil.example', '#//evil.example', '/_gate/callback?code=x', '/_gate/sign-out', '/_gate/../_gate/sign-in', '', '//', '/'.repeat(3000),
]
