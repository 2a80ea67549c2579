import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { request } from 'undici'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { AppId } from '../../src/directory/model.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { cutJson } from '../../src/push/signature/cut-json.ts'
import type { FlowRef } from '../../src/session/login-flow.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { appId, kitKey, openTestGateway, sendPush, toPushTime, wireAccount, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { ManualClock } from '../support/manual-clock.ts'

const tenantId = '68cbc86abc2018ab880d92f36422fa0e'
const evilTenantId = 'eeeeeeeebc2018ab880d92f36422fa0e'
const lihua = { userName: 'lihua', tenant: tenantId }
const mallory = { userName: 'mallory', tenant: evilTenantId }
const fromAnotherSite = { 'sec-fetch-site': 'cross-site' }

t.test('a login left open in another tab lets nobody swap the person who is in without a word (T-11, login.md Q1)', async (t) => {
  const [server, evilServer] = [await openFakeAuthorizationServer(t), await openFakeAuthorizationServer(t)]
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }] })
  await gateway.bind({ tenantId: evilTenantId, domainName: evilServer.url, accounts: [{ userName: 'mallory' }] })
  const browser = gateway.browser()
  const whoIsIn = async (): Promise<string> => (JSON.parse((await browser.fetch('/_gate/session')).body) as { user: string }).user
  const swap = (code: string) => browser.open(`/_gate/callback?code=${code}&tenant=${evilTenantId}`, { headers: fromAnotherSite })

  await browser.submit('/_gate/sign-in', { return_to: '/' })
  await browser.submit('/_gate/sign-in', { return_to: '/second-tab' })
  await browser.open(`/_gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`, { headers: fromAnotherSite })
  t.equal(await whoIsIn(), 'lihua')

  const asked = await swap(evilServer.issueCode(mallory))
  t.equal(asked.location, '/_gate/confirm')
  t.equal(await whoIsIn(), 'lihua', 'asked first, swapped by nobody')

  const question = await browser.open(asked.location)
  t.match(question.body, 'mallory')
  const antiForgery = /name="anti_forgery" value="([^"]+)"/.exec(question.body)?.[1] ?? ''
  const before = browser.cookieHeader()
  const said = await browser.submit('/_gate/confirm', { anti_forgery: antiForgery })
  t.equal(said.location, '/second-tab', 'who wants to change accounts gets where they wanted to go')
  t.equal(await whoIsIn(), 'mallory')
  t.equal((await gateway.browser().fetch('/_gate/session', { headers: { cookie: before } })).status, 401, 'the old session is dead (T-12)')

  gateway.clock.advance(gateway.config.session.idleTimeoutSeconds * 1000)
  await browser.submit('/_gate/sign-in', { return_to: '/' })
  const back = await browser.open(`/_gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`, { headers: fromAnotherSite })
  t.equal(back.location, '/', 'a session that is over is nobody to ask about')
})

t.test('a signed message of one interface has no effect at another, whose name the signature doesn\'t cover (T-50)', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }] })
  const soon = toPushTime(gateway.clock.now() + 60_000)
  const head = { instanceId: 'instance-1', tenantId, testFlag: 0, flag: 0, timeStamp: soon }
  const messages: Record<string, Record<string, unknown>> = {
    singleOrgSync: { ...head, orgCode: '10000', orgName: '开发部', parentCode: '' },
    allOrgSync: { ...head, orgInfoList: [] },
    applicationSync: { ...head, appId },
    authSync: { ...head, appId, currentSyncTime: soon, userList: [wireAccount({ userName: 'nobody' })] },
  }
  const detours = [
    ['singleOrgSync', 'tenantSync', 'orgCode'], ['allOrgSync', 'tenantSync', 'orgInfoList'], ['applicationSync', 'tenantSync', 'appId'],
    ['authSync', 'tenantSync', 'appId'], ['authSync', 'applicationSync', 'userList'], ['singleOrgSync', 'applicationSync', 'appId'],
    ['applicationSync', 'authSync', 'userList'],
  ] as const
  for (const [from, to, member] of detours) {
    const answer = await sendPush(`${gateway.url}/_gate`, to, JSON.stringify(messages[from]), gateway.clock.now())
    t.same(answer, { resultCode: '000002', resultMsg: `illegal parameter: ${member}.` }, `${from} sent to ${to}`)
  }
  t.equal(await signInStatus(gateway, server.issueCode(lihua)), 303, 'nothing was taken away')

  const withNulls = { ...head, flag: 2, name: '晨曦科技', appId: null, orgCode: null }
  t.match(await sendPush(`${gateway.url}/_gate`, 'tenantSync', JSON.stringify(withNulls), gateway.clock.now()), { resultCode: '000000' }, 'null is no value')
})

t.test('below the production address everything is answered signed and in the protocol, though the application is behind it', async (t) => {
  const gateway = await openTestGateway(t)
  const body = JSON.stringify({ tenantId })
  const signed = signKitV2(kitKey, body, randomBytes(16).toString('hex'), gateway.clock.now())
  const unknown = { resultCode: '000002', resultMsg: 'illegal parameter: unknown interface or method.' }
  const unsigned = { resultCode: '000001', resultMsg: /is missing/ }
  for (const [method, path, expected] of [
    ['POST', '', unsigned], ['POST', '/', unsigned], ['GET', '?activity=newInstance', unsigned], ['POST', '/produceAPI/authSync', unsigned],
    ['POST', '/produceAPI/v2/orderSync', unknown], ['GET', '/produceAPI/v2/authSync', unknown], ['PUT', '/produceAPI/v2/authSync', unknown], ['PUT', '', unknown],
  ] as const) {
    const answer = await request(`${gateway.url}/_gate/marketplace${path}`, { method, headers: signed, ...(method === 'GET' ? {} : { body }) })
    t.equal(answer.statusCode, 200, `${method} ${path}`)
    t.ok(answer.headers['body-sign'])
    t.match(await answer.body.json(), expected)
  }
  t.same(gateway.upstream.requests, [])
})

t.test('an object with more names than anybody means to send is refused before it is sorted for its signature (C-55)', async (t) => {
  const named = (count: number): string => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`name${index}`, 1])))
  for (const text of [named(1001), `{"a":${named(1001)}}`, `{${'"a":1,'.repeat(1001)}"a":1}`]) {
    t.same(cutJson(text), { kind: 'unreadable', because: 'too-complex' })
  }
  for (const text of [named(1000), `{"a":${named(1000)}}`, `{"a":[${Array(20).fill(named(1000)).join(',')}]}`]) t.equal(cutJson(text).kind, 'cut')
})

t.test('a data folder may have a dot in its name', async (t) => {
  const folder = join(t.testdir(), 'app.example.com')
  const storage = openLmdbStorage(folder, new SealedBox([randomBytes(32)]), new ManualClock())
  await storage.check()
  await storage.close()
  t.ok(existsSync(join(folder, 'data.mdb')))
})

t.test('a sweep of what strangers began holds up no request: others get their turn every thousand rows', async (t) => {
  const storage = openLmdbStorage(t.testdir(), new SealedBox([randomBytes(32)]), new ManualClock())
  t.teardown(() => storage.close())
  const flow = { kind: 'unified', appId: appId as AppId, returnTo: '/', startedAt: 0 } as const
  await Promise.all(Array.from({ length: 3_500 }, (_, index) =>
    storage.flows.saveFlow({ ...flow, ref: `flow-${index}` as FlowRef, expiresAt: index < 2_500 ? 1_000 : 9_000 })))

  let turns = 0
  const counting = setInterval(() => { turns += 1 }, 0)
  t.equal(await storage.flows.sweep(500), 0)
  t.ok(turns >= 3, `${turns} turns while nothing was over`)
  t.equal(await storage.flows.sweep(5_000), 2_500)
  clearInterval(counting)
  t.equal(await storage.flows.findFlow('flow-0' as FlowRef), undefined)
  t.match(await storage.flows.findFlow('flow-3499' as FlowRef), { returnTo: '/' })
  t.equal(await storage.flows.sweep(10_000), 1_000)
})

t.test('no number of the client\'s header fields takes ours from the upstream\'s sight; too many are refused (C-37, C-42)', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const gateway = await openTestGateway(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua' }] })
  const browser = gateway.browser()
  await browser.submit('/_gate/sign-in', { return_to: '/' })
  await browser.open(`/_gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`, { headers: fromAnotherSite })
  const ask = async (fields: number): Promise<string> => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nCookie: ${browser.cookieHeader()}\r\nConnection: close\r\n${'a:\r\n'.repeat(fields)}\r\n`)
    return (await text(socket)).split('\r\n', 1)[0] ?? ''
  }
  t.equal(await ask(190), 'HTTP/1.1 200 OK')
  const names = Object.keys(gateway.upstream.requests[0]?.headers ?? {})
  t.ok(names.includes('x-identity-user'))
  t.ok(names.indexOf('x-identity-assertion') < names.indexOf('a'), 'ours stand first')
  for (const fields of [200, 2100]) t.match(await ask(fields), /^HTTP\/1\.1 431 /, `${fields} more`)
  t.equal(gateway.upstream.requests.length, 1)
})

async function signInStatus (gateway: TestGateway, code: string): Promise<number> {
  const browser = gateway.browser()
  await browser.submit('/_gate/sign-in', { return_to: '/' })
  return (await browser.open(`/_gate/callback?code=${code}&tenant=${tenantId}`, { headers: fromAnotherSite })).status
}
