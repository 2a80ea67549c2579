import { randomBytes } from 'node:crypto'
import t from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { sha256 } from '../../src/base/digest.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { openRecordingUpstream } from '../support/recording-upstream.ts'
import { fromAnotherSite, readLog, setCookies, WitnessBrowser } from '../support/sign-in-steps.ts'
import { bindTenant, comeBack, lihua, signIn, storedSession, tenantId, until } from '../support/signed-in.ts'

const toldNobody = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }

t.test('C-29: one\'s own sessions are shown, marked which is this one, and each other one can be ended', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await openFakeAuthorizationServer(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', name: '<i>李华' }, { userName: 'wangwu' }] })
  const [here, elsewhere] = [await signIn(gateway, server), await signIn(gateway, server)]
  const stranger = gateway.browser()
  await comeBack(stranger, server.issueCode({ ...lihua, userName: 'wangwu' }))
  const refs = await Promise.all([here, elsewhere, stranger].map(async (browser) => (await storedSession(gateway, browser.cookieHeader()))?.ref ?? ''))

  const page = await here.open('/_gate/account')
  t.equal(page.status, 200)
  t.match(page.body, 'this browser')
  t.match(page.body, '&lt;i&gt;李华')
  t.strictSame([...page.body.matchAll(/name="session" value="([^"]+)"/g)].map(([, ref]) => ref), [refs[1]], 'a button for the other one, none for this one')
  t.match((await here.open('/_gate/account?lang=zh-CN')).body, '当前浏览器')
  const { sessions } = JSON.parse((await here.fetch('/_gate/account')).body) as { sessions: Array<{ ref: string, isCurrent: boolean }> }
  t.strictSame(sessions.map(({ ref, isCurrent }) => [ref, isCurrent]), [[refs[0], true], [refs[1], false]])
  for (const browser of [here, elsewhere]) t.notOk(page.body.includes(browser.cookies.get('__Host-jointgate') ?? 'none'), 'C-34: no id')

  t.match(await here.submit('/_gate/account', { session: refs[1] ?? '' }, fromAnotherSite), { status: 403, body: /cross-site-request/ })
  t.match(await here.submit('/_gate/account', { session: refs[2] ?? '' }), { status: 303 }, 'somebody else\'s is none')
  for (const browser of [elsewhere, stranger]) t.equal((await browser.open('/')).status, 200)
  t.match(await here.submit('/_gate/account', { session: refs[1] ?? '' }), { status: 303, location: '/_gate/account', headers: toldNobody })
  t.match(await elsewhere.open('/'), { status: 303, location: /because=session-unknown/ }, 'C-26: dead at once')
  t.match(readLog(gateway, 'session.ended-by-owner'), [{ sessionRef: refs[1]?.slice(0, 8), by: refs[0]?.slice(0, 8), tenantId, userName: 'lihua' }])
  t.equal((await here.open('/')).status, 200)
  t.match(await gateway.browser().open('/_gate/account'), { status: 303, location: /sign-in/, headers: toldNobody })
  t.equal((await gateway.browser().submit('/_gate/account', { session: refs[0] ?? '' })).status, 401)
})

t.test('C-24: a sign-in beyond the limit ends the session that was not seen for the longest time, with a line in the log', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_SESSION_PARALLEL_LIMIT: '2' } })
  const server = await bindTenant(t, gateway)
  const first = await signIn(gateway, server)
  const ref = (await storedSession(gateway, first.cookieHeader()))?.ref
  gateway.clock.advance(1_000)
  const second = await signIn(gateway, server)
  gateway.clock.advance(1_000)
  const third = await signIn(gateway, server)
  t.match(await first.open('/'), { status: 303, location: /because=session-unknown/ })
  for (const browser of [second, third]) t.equal((await browser.open('/')).status, 200)
  t.match(readLog(gateway, 'session.displaced'), [{ sessionRef: ref?.slice(0, 8), tenantId, userName: 'lihua' }])
})

t.test('T-37: sealing keys rotate between requests and in the middle of a sign-in: nobody is signed out, and what is touched needs the new key only', async (t) => {
  const [old, young] = [randomBytes(32), randomBytes(32)]
  const env = (...keys: Buffer[]) => ({ JOINTGATE_SECRET_KEYS: keys.map((key) => key.toString('base64')).join(',') })
  const upstream = await openRecordingUpstream(t)
  const first = await openTestGateway(t, { upstream, env: env(old) })
  const server = await bindTenant(t, first)
  const [active, quiet] = [await signIn(first, server), await signIn(first, server)]
  const pending = first.browser()
  await pending.submit('/_gate/sign-in', { return_to: '/reports' })
  await first.close()

  const { dataFolder, clock } = first
  const second = await openTestGateway(t, { upstream, dataFolder, clock, port: Number(new URL(first.url).port), env: env(young, old) })
  t.match(await pending.open(`/_gate/callback?code=${server.issueCode(lihua)}&tenant=${tenantId}`), { status: 303, location: '/reports' })
  for (const browser of [active, quiet, pending]) t.equal((await browser.open('/')).status, 200)
  clock.advance(61_000)
  const before = (await storedSession(second, active.cookieHeader()))?.revision ?? 0
  t.equal((await active.open('/')).status, 200)
  await until(async () => ((await storedSession(second, active.cookieHeader()))?.revision ?? 0) > before)
  await second.close()

  const storage = openLmdbStorage(dataFolder, new SealedBox([young]), clock)
  t.teardown(() => storage.close())
  const find = (browser: typeof active) => storage.sessions.find(sha256(browser.cookies.get('__Host-jointgate') ?? '') as SessionRef)
  t.match(await find(active), { userName: 'lihua' }, 'seen since: sealed anew')
  t.match(await find(pending), { userName: 'lihua' }, 'signed in since')
  await t.rejects(find(quiet), { code: 'GW_STORAGE_CORRUPT' }, 'not seen since: the old key is needed until it is over')
})

t.test('T-26, C-31: no cookie is larger than what browsers keep, however much there is to remember', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await openFakeAuthorizationServer(t)
  const long = (sign: string): string => sign.repeat(60)
  await gateway.bind({
    tenantId, domainName: server.url, name: long('大'), accounts: [{ userName: 'lihua', name: long('李') }, { userName: long('w'), name: long('王') }],
  })
  const browser = new WitnessBrowser(gateway.url)
  const returnTo = `/${'%E5%A4%A7'.repeat(600)}`
  for (const userName of ['lihua', long('w')]) {
    for (let tab = 0; tab < 4; tab++) await browser.submit('/_gate/sign-in', { return_to: returnTo })
    const code = server.issueCode({ ...lihua, userName, name: long('名') })
    const back = await browser.open(`/_gate/callback?code=${code}&tenant=${tenantId}`, { headers: fromAnotherSite })
    t.equal(back.status, 303)
  }
  await browser.open('/_gate/confirm?lang=zh-CN')
  await browser.submit('/_gate/sign-out')
  const cookies = browser.answers.flatMap(setCookies)
  const names = new Set(cookies.map((line) => line.split('=', 1)[0]?.replace(/-flow-.*/, '-flow')))
  for (const name of ['__Host-jointgate', '__Host-jointgate-flow', '__Host-jointgate-starts', '__Host-jointgate-lang']) t.ok(names.has(name), name)
  const largest = Math.max(...cookies.map((line) => Buffer.byteLength(line.split(';', 1)[0] ?? '')))
  t.ok(largest <= 4096, `name and value of the largest are ${largest} bytes`)
  t.ok(largest < 200, 'and far from it: what is remembered lies in the store')
})
