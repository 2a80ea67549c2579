import t, { type Test } from 'tap'
import type { Session } from '../../src/session/session.ts'
import type { Browser } from '../support/browser.ts'
import { openTestGateway, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer, type FakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { createPush, dayMs } from '../support/instance-pushes.ts'
import { comeBack, pressButton, readLog, readRefusal, tenantId, whoIsIn } from '../support/sign-in-steps.ts'

const lihua = { userName: 'lihua', tenant: tenantId }

async function openWithPurchases (t: Test) {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t)
  for (const name of ['first', 'second', 'third']) {
    await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }] }, name)
    await gateway.storage.directory.commit(createPush(name, gateway.clock.now(), { expiresAt: gateway.clock.now() + 30 * dayMs }))
  }
  return { server, gateway }
}

async function questionFor (browser: Browser): Promise<string> {
  return /name="question" value="([^"]+)"/.exec((await browser.open('/_gate/choose')).body)?.[1] ?? ''
}

async function enterFirst (gateway: TestGateway, server: FakeAuthorizationServer): Promise<Browser> {
  const browser = gateway.browser()
  await pressButton(browser)
  await comeBack(browser, { code: server.issueCode(lihua), tenant: tenantId })
  await browser.submit('/_gate/choose', { question: await questionFor(browser), instance: 'first' })
  return browser
}

async function sessionsOf ({ storage }: TestGateway): Promise<Session[]> {
  const found = []
  for await (const session of storage.sessions.list({ kind: 'tenant', tenantId: tenantId as Session['tenantId'] })) found.push(session)
  return found
}

t.test('one session never becomes several: of many choices of a purchase at once one goes on (C-24, T-28)', async (t) => {
  const { server, gateway } = await openWithPurchases(t)
  const browser = await enterFirst(gateway, server)
  const [question, cookie] = [await questionFor(browser), browser.cookieHeader()]
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) =>
    gateway.browser().submit('/_gate/choose', { question, instance: index % 2 === 0 ? 'second' : 'third' }, { cookie })))
  t.same(answers.filter(({ headers }) => headers['set-cookie'] !== undefined).map(({ status }) => status), [303], 'the others take nothing back')
  t.equal((await sessionsOf(gateway)).length, 1)
  t.equal(readLog(gateway, 'instance.chosen').filter(({ from }) => from === 'first').length, 1)
})

t.test('a session that is signed out while a purchase is chosen doesn\'t come back under another id (T-13, C-26)', async (t) => {
  const { server, gateway } = await openWithPurchases(t)
  const browser = await enterFirst(gateway, server)
  const [question, cookie] = [await questionFor(browser), browser.cookieHeader()]
  const { sessions } = gateway.storage
  const create = sessions.create.bind(sessions)
  sessions.create = async (session) => {
    t.equal((await gateway.browser().submit('/_gate/sign-out', {}, { cookie })).status, 303)
    await create(session)
  }
  const answer = await browser.submit('/_gate/choose', { question, instance: 'second' })
  t.equal(readRefusal(answer).reason, 'confirmation-expired')
  t.equal(await whoIsIn(browser), undefined)
  t.same(await sessionsOf(gateway), [])
})

t.test('a HEAD counts like the GET that it runs: it begins no sign-ins by the hundred (C-18)', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_SIGN_IN_DIRECT: 'true', JOINTGATE_RATE_LIMITS_SIGN_IN_PER_ADDRESS: '3' } })
  const statuses = []
  for (const method of ['HEAD', 'GET', 'HEAD', 'HEAD', 'GET'] as const) statuses.push((await gateway.browser().open('/_gate/sign-in', { method })).status)
  t.same(statuses, [303, 303, 303, 429, 429])
})

t.test('a token that nobody signed doesn\'t make us read every tenant of a shared authorization server each time (C-53)', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_BACKCHANNEL_LOGOUT_JWKS_PATH: '/api/v1/oauth2/jwks' } })
  const [domainName, tenants] = ['https://shared.example.com', 30]
  for (let index = 0; index < tenants; index++) await gateway.bind({ tenantId: `tenant-${index}`, domainName, clientId: `client-${index}` })
  const { directory } = gateway.storage
  const viewTenant = directory.viewTenant.bind(directory)
  let views = 0
  directory.viewTenant = async (...of) => {
    views++
    return await viewTenant(...of)
  }
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (let count = 0; count < 10; count++) {
    const token = `${encode({ alg: 'RS256' })}.${encode({ iss: domainName, aud: `stranger-${count}` })}.x`
    const answer = await gateway.browser().submit('/_gate/backchannel-logout', { logout_token: token })
    t.match(answer, { status: 400, body: /issuer-or-audience-unknown/ })
  }
  t.equal(views, tenants, 'once, for all ten')
})
