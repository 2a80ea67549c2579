import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { systemClock } from '../../src/base/clock.ts'
import { sha256 } from '../../src/base/digest.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import type { AppId, TenantId, UserName } from '../../src/directory/model.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { appId, freePort, testEnvironment } from '../support/build-gateway.ts'
import { startFleetLoad } from '../support/fleet-load.ts'
import { openGatewayFleet, type GatewayFleet } from '../support/gateway-fleet.ts'
import { answerOf, authority, openHttp2, tls } from '../support/http2-client.ts'
import { openRecordingUpstream } from '../support/recording-upstream.ts'
import { startJointgate } from '../support/run-jointgate.ts'
import { tenantId, until } from '../support/signed-in.ts'
import { openLines } from '../support/worker-lines.ts'

/* Several processes on one LMDB folder, under fire. */

const people = ['li', 'wang', 'zhang', 'liu', 'chen', 'yang']

/** Gateways with two workers each on one folder, and a hand of our own in it: a process more. */
async function openHouse (t: Test, count: number, env: Record<string, string> = {}): Promise<{ fleet: GatewayFleet, store: Storage }> {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-workers-'))
  const fleet = await openGatewayFleet(t, { count, storage: () => ({ JOINTGATE_STORAGE: `lmdb:${folder}`, JOINTGATE_WORKERS: '2', ...env }) })
  const store = openLmdbStorage(folder, new SealedBox([Buffer.from(fleet.env(0)['JOINTGATE_SECRET_KEYS'] ?? '', 'base64')]), systemClock)
  t.teardown(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { fleet, store }
}

t.test('T-28: 200 requests at expiry over both workers make one renewal, nobody is signed out', { timeout: 120_000 }, async (t) => {
  const { fleet, store } = await openHouse(t, 1)
  await fleet.deliver(fleet.authSync(['lihua']))
  const cookie = await fleet.signIn('lihua')
  const ref = sha256(cookie.split('; ').find((pair) => pair.startsWith(`${cookieNames.session}=`))?.split('=')[1] ?? '') as SessionRef
  const renewals = (): number => fleet.server.calls.filter(({ form }) => form['grant_type'] === 'refresh_token').length
  const lines = await openLines(fleet)
  for (const [round, inMs] of [0, -900_000, 0, -900_000].entries()) {
    const session = await store.sessions.find(ref)
    if (session === undefined) throw new Error('the session has ended')
    const now = Date.now()
    const tokens = { ...session.tokens, expiresAt: now + inMs }
    t.equal(await store.sessions.replace({ ...session, tokens, renewalDueAt: now + inMs, revision: session.revision + 1 }), true)
    const statuses = await Promise.all([
      ...lines.map((line) => line.visit(cookie)),
      ...Array.from({ length: 200 }, () => request(`${fleet.urls[0] ?? ''}/page`, { headers: { cookie } }).then(async ({ statusCode, body }) => {
        await body.dump()
        return statusCode
      })),
    ])
    t.same(new Set(statuses), new Set([200]))
    await until(async () => (await store.sessions.find(ref))?.renewalAttempts === undefined && renewals() > round)
    t.equal(renewals(), round + 1)
  }
  for (const line of lines) line.close()
})

t.test('two gateways, started apart, with two workers each on one folder: workers and a supervisor are killed, nothing acknowledged is lost', { timeout: 240_000 }, async (t) => {
  const { fleet, store } = await openHouse(t, 2)
  await fleet.deliver(fleet.authSync(people))
  const cookies: string[] = []
  for (const [turn, userName] of people.entries()) cookies.push(await fleet.signIn(userName, turn % 2))
  const load = startFleetLoad(fleet, cookies)
  await until(() => load.report.acknowledged.length > 20, 30_000)
  for (let kill = 1; kill <= 5; kill++) {
    const gateway = fleet.processes[kill % 2]!
    const [pid = 0] = gateway.workers()
    process.kill(pid, 'SIGKILL')
    await until(() => gateway.count('worker.started') >= Math.ceil(kill / 2), 30_000)
  }
  await fleet.kill(1)
  await fleet.start(1)
  load.faultNow()
  await load.recovered()
  const { statuses, signedOut, acknowledged, repeated } = await load.stop()
  t.comment(`page views ${[...statuses].map(([status, times]) => `${times} × ${status}`).join(', ')}; ${acknowledged.length} pushes acknowledged, ${repeated} sent again`)

  t.same(signedOut, [], 'nobody was signed out')
  const missing: string[] = []
  for (const userName of acknowledged) {
    const { accounts } = await store.directory.viewAccess('production', tenantId as TenantId, appId as AppId, userName as UserName)
    if (accounts.length === 0) missing.push(userName)
  }
  t.same(missing, [], `each of ${acknowledged.length} acknowledged pushes is there`)
  const range = await store.pushLog.range()
  const numbers: number[] = []
  for (let from = range?.first ?? 0; from <= (range?.last ?? 0);) {
    const some = await store.pushLog.list(from, 500)
    numbers.push(...some.map(({ number }) => number))
    from = (some.at(-1)?.number ?? Infinity) + 1
  }
  t.same(numbers, numbers.map((_, index) => index + 1), 'the log has no gap')
  t.equal(await store.directory.revisionOf('production', tenantId as TenantId), numbers.length, 'no change was lost under another one')
  for (const index of fleet.urls.keys()) {
    t.same(await Promise.all(cookies.map((cookie) => fleet.visit(cookie, index))), cookies.map(() => 200))
  }
})

t.test('SIGHUP over HTTP/2: the client is told, what is under way ends well, and the next connection is the new workers\'', { timeout: 120_000 }, async (t) => {
  const [upstream, port] = [await openRecordingUpstream(t), await freePort()]
  const env = testEnvironment({ url: `https://localhost:${port}`, upstream: upstream.url, dataFolder: t.testdir() })
  const gateway = startJointgate(['serve'], {
    ...env, JOINTGATE_ROUTES: '[{ path: /, access: public }]', JOINTGATE_TLS_CERTIFICATE: tls.certificate, JOINTGATE_TLS_KEY: tls.key.reveal(),
  })
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  let finish = (): void => {}
  upstream.answer = (_asked, response) => {
    response.write('half of ')
    finish = () => { response.end('it') }
  }
  const session = openHttp2(t, port, { ca: authority })
  const stream = session.request({ ':path': '/slow' })
  const answer = answerOf(stream)
  await once(stream, 'response')
  const told = once(session, 'goaway')
  gateway.child.kill('SIGHUP')
  await gateway.logged('config.reloaded')
  await told
  finish()
  t.match(await answer, { status: 200, body: 'half of it', fault: '' })
  upstream.answer = (_asked, response) => { response.end('new') }
  t.match(await answerOf(openHttp2(t, port).request({ ':path': '/' })), { status: 200, body: 'new' })
})
