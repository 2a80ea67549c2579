import t, { type Test } from 'tap'
import { sha256 } from '../../src/base/digest.ts'
import type { InstanceId } from '../../src/directory/model.ts'
import type { SessionRef } from '../../src/session/session.ts'
import type { Answer, Browser } from '../support/browser.ts'
import { appId, openTestGateway, wireAccount, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { createPush, dayMs, instancePush, statusPush } from '../support/instance-pushes.ts'
import {
  comeBack, fromAnotherSite, pressButton, readLog, readRefusal, sessionCookie, signIn, tenantId, whoIsIn,
} from '../support/sign-in-steps.ts'

const lihua = { userName: 'lihua', name: '李华', tenant: tenantId }
const choiceCookie = '__Host-jointgate-choice'

/** One enterprise with two orders; lihua is a member in both, an administrator in the second; wangwu only in the first. */
async function open (t: Test) {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t, { authorizationServerTimeoutSeconds: 10 })
  const tenant = { tenantId, domainName: server.url }
  await gateway.bind({ ...tenant, accounts: [{ userName: 'lihua', name: '李华' }, { userName: 'wangwu' }] }, 'first')
  await gateway.bind({ ...tenant, accounts: [{ userName: 'lihua', name: '李华', role: 'admin' }] }, 'second')
  const now = gateway.clock.now()
  const paid = { first: now + 30 * dayMs, second: now + 90 * dayMs }
  for (const [name, expiresAt] of Object.entries(paid)) await gateway.storage.directory.commit(createPush(name, now, { expiresAt }))
  return { server, gateway, paid }
}

interface Shown { readonly question: string, readonly instances: readonly string[] }

const readChoices = ({ body }: Answer): Shown => ({
  question: /name="question" value="([^"]+)"/.exec(body)?.[1] ?? '',
  instances: [...body.matchAll(/name="instance" value="([^"]*)"/g)].map(([, instance = '']) => instance),
})

async function arrive (browser: Browser, server: Awaited<ReturnType<typeof openFakeAuthorizationServer>>, returnTo = '/'): Promise<Answer> {
  await pressButton(browser, returnTo)
  return await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
}

async function choose (browser: Browser, instance: string, returnTo = '/'): Promise<Answer> {
  const { question } = readChoices(await browser.open('/_gate/choose'))
  return await browser.submit('/_gate/choose', { question, instance, return_to: returnTo })
}

const find = (gateway: TestGateway, id: string | undefined) => gateway.storage.sessions.find(sha256(id ?? '') as SessionRef)
const instanceSeen = ({ upstream }: TestGateway) => upstream.requests.at(-1)?.headers['x-identity-instance']

t.test('of two orders the person chooses after sign-in; there is no session before, and the way back is kept', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  const back = await arrive(browser, server, '/reports?year=2025')
  t.equal(back.status, 303)
  t.equal(back.location, '/_gate/choose')
  t.equal(back.headers['cache-control'], 'no-store')
  t.notOk(browser.cookies.has(sessionCookie))
  t.equal(await whoIsIn(browser), undefined)
  t.match((await browser.open('/reports')).location, /^\/_gate\/sign-in/)

  const page = await browser.open(back.location)
  t.equal(page.status, 200)
  t.match(page.headers['content-security-policy'], "frame-ancestors 'none'")
  t.same(readChoices(page).instances, ['second', 'first'], 'the newest first')
  for (const text of ['order of first', 'order of second', 'Administrator', 'Member', 'lihua']) t.match(page.body, text)
  t.notMatch(page.body, 'Back without a change', 'there is nothing to go back to')

  const chosen = await choose(browser, 'first')
  t.equal(chosen.status, 303)
  t.equal(chosen.location, '/reports?year=2025', 'kept here, not taken from the form')
  t.notOk(browser.cookies.has(choiceCookie))
  await browser.open('/reports')
  t.equal(instanceSeen(gateway), 'first')
  t.equal(gateway.upstream.requests.at(-1)?.headers['x-identity-role'], 'user', 'the role of that order')
  t.match(JSON.parse((await browser.fetch('/_gate/session')).body), { instance: 'first', role: 'user' })
  t.match(readLog(gateway, 'instance.chosen'), [{ tenantId, userName: 'lihua', instanceId: 'first' }], 'audited')
  t.match(readLog(gateway, 'login.finished'), [{ tenantId, userName: 'lihua', instanceId: 'first', provenBy: 'marker' }])
})

t.test('with exactly one open order no page is shown, whatever else the enterprise has bought', async (t) => {
  const { server, gateway } = await open(t)
  await signIn(gateway.browser(), server, { userName: 'wangwu', tenant: tenantId })
  await gateway.storage.directory.commit(statusPush('second', gateway.clock.now() + 1, 'frozen'))
  const browser = gateway.browser()
  await signIn(browser, server, lihua, '/reports')
  await browser.open('/reports')
  t.equal(instanceSeen(gateway), 'first')
  const page = await browser.open('/_gate/choose?return_to=%2Fkept')
  t.equal(page.status, 303)
  t.equal(page.location, '/kept', 'nothing to choose among')
})

t.test('a choice is taken from our own page only, for what is offered only, for the person shown only, and once (C-51)', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  await arrive(browser, server)
  const { question } = readChoices(await browser.open('/_gate/choose'))
  for (const headers of [fromAnotherSite, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' }]) {
    t.equal(readRefusal(await browser.submit('/_gate/choose', { question, instance: 'first' }, headers)).reason, 'cross-site-request')
  }
  const wrong = [{ instance: 'first' }, { question: 'x', instance: 'first' }, { question }, { question, instance: '' }, { question, instance: 'third' }]
  for (const form of wrong as Record<string, string>[]) {
    const again = await browser.submit('/_gate/choose', form)
    t.equal(again.location, '/_gate/choose', JSON.stringify(Object.keys(form)))
    t.equal(await whoIsIn(browser), undefined)
  }
  const secret = browser.cookies.get(choiceCookie) ?? ''
  t.equal((await choose(browser, 'second')).location, '/')

  const thief = gateway.browser()
  thief.cookies.set(choiceCookie, secret)
  t.equal(readRefusal(await thief.submit('/_gate/choose', { question, instance: 'first' })).reason, 'confirmation-expired', 'spent')
  t.equal(await whoIsIn(thief), undefined)

  // One that waits for "that is me" can't be passed off as one that has been told.
  const victim = gateway.browser()
  await comeBack(victim, { code: server.issueCode(lihua), tenant: tenantId })
  victim.cookies.set(choiceCookie, victim.cookies.get('__Host-jointgate-confirm') ?? '')
  t.match((await victim.open('/_gate/choose')).location, /^\/_gate\/sign-in/)
})

t.test('who was asked "continue as …?" chooses after that word', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  t.equal((await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })).location, '/_gate/confirm')
  const antiForgery = /name="anti_forgery" value="([^"]+)"/.exec((await browser.open('/_gate/confirm')).body)?.[1] ?? ''
  t.equal((await browser.submit('/_gate/confirm', { anti_forgery: antiForgery })).location, '/_gate/choose')
  t.equal(await whoIsIn(browser), undefined)
  await choose(browser, 'second')
  t.equal(await whoIsIn(browser), 'lihua')
  t.match(readLog(gateway, 'login.finished'), [{ instanceId: 'second', provenBy: 'confirmation' }])
})

t.test('the choice may be changed later: a new id, the old one dead, the limits of the session unmoved (C-21, T-12)', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  await arrive(browser, server)
  await choose(browser, 'first')
  const before = browser.cookies.get(sessionCookie)
  const stored = await find(gateway, before)
  gateway.clock.advance(1_800_000)

  const page = await browser.open('/_gate/choose?return_to=%2Fkept')
  t.match(page.body, 'In use now')
  t.match(page.body, 'href="/kept"')
  const same = await browser.submit('/_gate/choose', { ...formOf(page), instance: 'first', return_to: '/kept' })
  t.equal(same.location, '/kept')
  t.equal(browser.cookies.get(sessionCookie), before, 'nothing changed, nothing new')

  const changed = await browser.submit('/_gate/choose', { ...formOf(page), instance: 'second', return_to: '/kept' })
  t.equal(changed.location, '/kept')
  const after = browser.cookies.get(sessionCookie)
  t.not(after, before)
  t.equal(await find(gateway, before), undefined, 'dead in the store')
  const { ref: _newRef, instanceId, role: _role, revision: _revision, lastSeenAt: _seen, ...rest } = await find(gateway, after) ?? { ref: '', instanceId: '', role: '', revision: 0, lastSeenAt: 0 }
  const { ref: _oldRef, instanceId: _first, role: _oldRole, revision: _oldRevision, lastSeenAt: _oldSeen, ...restBefore } = stored ?? { ref: '', instanceId: '', role: '', revision: 0, lastSeenAt: 0 }
  t.equal(instanceId, 'second')
  t.same(rest, restBefore, 'same person, same tokens, same end')
  await browser.open('/')
  t.equal(instanceSeen(gateway), 'second')
  t.equal(gateway.upstream.requests.at(-1)?.headers['x-identity-role'], 'admin')
  t.match(readLog(gateway, 'instance.chosen').at(-1), { from: 'first', instanceId: 'second' })
  t.equal((await browser.submit('/_gate/choose', { ...formOf(page), instance: 'first' })).location, '/_gate/choose', 'a page of the session before answers nothing')
  for (const wish of ['//evil.example', 'https://evil.example', '/_gate/sign-out']) {
    t.equal((await browser.submit('/_gate/choose', { ...formOf(await browser.open('/_gate/choose')), instance: 'second', return_to: wish })).location, '/', 'C-9')
  }
})

const formOf = (page: Answer): { question: string } => ({ question: readChoices(page).question })

t.test('when the chosen order closes while another is open, nobody is moved without a word: the page again, 403 for scripts', async (t) => {
  const closings: [string, (gateway: TestGateway) => Promise<unknown>][] = [
    ['freeze', (gateway) => gateway.storage.directory.commit(statusPush('first', gateway.clock.now() + 1_000, 'frozen'))],
    ['release', (gateway) => gateway.storage.directory.commit(instancePush('first', gateway.clock.now() + 1_000, { kind: 'release' }))],
    ['grant taken back', (gateway) => gateway.push('authSync', { tenantId, appId, flag: 3, instanceId: 'first', userList: [wireAccount({ userName: 'lihua' })] })],
    ['account switched off', (gateway) =>
      gateway.push('authSync', { tenantId, appId, flag: 2, instanceId: 'first', userList: [wireAccount({ userName: 'lihua', enable: 'false' })] })],
    ['unbound', (gateway) => gateway.push('tenantSync', { tenantId, flag: 0, instanceId: 'first' })],
  ]
  for (const [what, close] of closings) {
    const { server, gateway } = await open(t)
    const browser = gateway.browser()
    await arrive(browser, server)
    await choose(browser, 'first')
    const before = browser.cookies.get(sessionCookie)
    await close(gateway)
    gateway.upstream.requests.length = 0

    const script = await browser.fetch('/api/reports')
    t.equal(script.status, 403, what)
    t.match(JSON.parse(script.body), { reason: 'choice-needed', chooseUrl: '/_gate/choose?return_to=%2Fapi%2Freports' })
    const form = await browser.submit('/reports', { text: 'long typed' })
    t.equal(readRefusal(form).reason, 'choice-needed')
    t.match(form.body, 'href="/_gate/choose"')
    const view = await browser.open('/reports?x=1')
    t.equal(view.status, 303)
    t.equal(view.location, '/_gate/choose?return_to=%2Freports%3Fx%3D1')
    t.same(gateway.upstream.requests, [], 'the application has seen nothing (T-33)')
    t.equal(browser.cookies.get(sessionCookie), before, 'the session waits')
    t.match((await browser.open('/_gate/sign-out')).body, 'lihua', 'and may be signed out')

    const page = await browser.open(view.location)
    t.same(readChoices(page).instances, ['second'], 'also where one is left: the word is needed')
    t.match(page.body, 'is closed now')
    const on = await browser.submit('/_gate/choose', { ...formOf(page), instance: 'second', return_to: '/reports?x=1' })
    t.equal(on.location, '/reports?x=1')
    await browser.open('/reports?x=1')
    t.equal(instanceSeen(gateway), 'second')
    t.equal(await find(gateway, before), undefined)
  }
})

t.test('the end of the paid time closes the chosen order by the clock, in the middle of a session', async (t) => {
  const { server, gateway, paid } = await open(t)
  gateway.clock.advance(paid.first + dayMs - gateway.clock.now() - 60_000)
  const browser = gateway.browser()
  await arrive(browser, server)
  await choose(browser, 'first')
  t.equal((await browser.open('/')).status, 200)
  gateway.clock.advance(60_000)
  t.equal((await browser.open('/')).location, '/_gate/choose')
})

t.test('what happens to another order neither moves nor ends the session', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  await arrive(browser, server)
  await choose(browser, 'first')
  await gateway.storage.directory.commit(statusPush('second', gateway.clock.now() + 1, 'frozen'))
  t.equal((await browser.open('/')).status, 200, 'a freeze there')
  await gateway.push('authSync', { tenantId, appId, flag: 3, instanceId: 'second', userList: [wireAccount({ userName: 'lihua' })] })
  t.equal((await browser.open('/')).status, 200, 'a grant taken back there')
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', role: 'admin' }] }, 'third')
  await browser.open('/')
  t.equal(instanceSeen(gateway), 'first', 'a new order there')
  // Given back since the sign-in, it asks for a new one: the loss may have had its reason.
  await gateway.push('authSync', { tenantId, appId, flag: 1, instanceId: 'second', currentSyncTime: '20250101080000000', userList: [wireAccount({ userName: 'lihua' })] })
  await gateway.storage.directory.commit(statusPush('second', gateway.clock.now() + 50, 'normal'))
  t.same(readChoices(await browser.open('/_gate/choose')).instances, ['third', 'first'])
})

t.test('the session of one purchase that loses it and finds none open ends as ever', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  await arrive(browser, server)
  await choose(browser, 'first')
  for (const name of ['first', 'second']) await gateway.storage.directory.commit(statusPush(name, gateway.clock.now() + 1, 'frozen'))
  t.equal(readRefusal(await browser.open('/')).reason, 'instance-frozen')
  t.notOk(browser.cookies.has(sessionCookie))
})

t.test('a session from before purchases could be chosen goes on as it did', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  await arrive(browser, server)
  await choose(browser, 'first')
  const session = await find(gateway, browser.cookies.get(sessionCookie))
  if (session === undefined) throw new Error('no session')
  const { instanceId: _, role: _role, ...old } = session
  await gateway.storage.sessions.replace({ ...old, revision: old.revision + 1 })
  await browser.open('/')
  t.equal(instanceSeen(gateway), 'second', 'the newest that is open')
  const page = await browser.open('/_gate/choose')
  await browser.submit('/_gate/choose', { ...formOf(page), instance: 'first' })
  await browser.open('/')
  t.equal(instanceSeen(gateway), 'first' as InstanceId)
})

t.test('a choice asked while the tokens are due waits for their renewal, so that none is lost (T-28)', async (t) => {
  const { server, gateway } = await open(t)
  const browser = gateway.browser()
  server.tokenMembers = { expires_in: 600, token_type: 'Bearer' }
  await arrive(browser, server)
  await choose(browser, 'first')
  const before = (await find(gateway, browser.cookies.get(sessionCookie)))?.tokens
  gateway.clock.advance(540_000)
  await choose(browser, 'second')
  const after = (await find(gateway, browser.cookies.get(sessionCookie)))?.tokens
  t.not(after?.refreshToken, before?.refreshToken)
  gateway.clock.advance(540_000)
  t.equal(await whoIsIn(browser), 'lihua')
  gateway.clock.advance(590_000)
  t.equal(await whoIsIn(browser), 'lihua', 'the rotated token works')
  t.equal(server.calls.filter(({ endpoint, form }) => endpoint === 'token' && form['refresh_token'] === before?.refreshToken).length, 1)
})
