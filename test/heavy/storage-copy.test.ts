import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import type { AppId, TenantId, UserName } from '../../src/directory/model.ts'
import { cookieNames, cookieValues } from '../../src/session/cookies.ts'
import { sessionRefOf } from '../../src/session/session.ts'
import { openStorage, type StorageSettings } from '../../src/storage/open-storage.ts'
import { appId } from '../support/build-gateway.ts'
import { startFleetLoad } from '../support/fleet-load.ts'
import { openGatewayFleet, type GatewayFleet } from '../support/gateway-fleet.ts'
import { openRedisServer, redisSettings } from '../support/redis-server.ts'
import { startJointgate } from '../support/run-jointgate.ts'
import { tenantId } from '../support/signed-in.ts'

const people = ['li', 'wang', 'zhang', 'liu', 'chen', 'yang']

interface Move {
  readonly fleet: GatewayFleet
  readonly cookies: readonly string[]
  /** What the gateway is told when it starts next. */
  readonly setStorage: (address: string) => void
}

/** Copies while people work and the marketplace pushes, and starts the gateway anew in its place. */
async function move (t: Test, { fleet, cookies, setStorage }: Move, to: string, settings: StorageSettings): Promise<void> {
  const load = startFleetLoad(fleet, cookies)
  await pause(1_500)
  t.ok((load.report.statuses.get(200) ?? 0) > 20 && load.report.acknowledged.length > 5, 'under load')
  const ending = await fleet.signIn('li')
  const copying = startJointgate(['storage', 'copy', '--to-variable', 'TARGET'], { ...fleet.env(0), TARGET: to })
  // Somewhere in the middle of the copy.
  await pause(1_000)
  const ended = await startJointgate(['sessions', 'end', '--ref', refOf(ending)], fleet.env(0)).ended
  t.equal(ended.code, 0, ended.stderr)
  t.equal(await fleet.visit(ending, 0), 401)
  const { code, stdout, stderr } = await copying.ended
  t.equal(code, 0, stderr)
  t.match(stdout, /they are equal/)
  t.notOk(`${stdout}${stderr}`.includes(to), 'the address, which may hold a password, is not printed')

  const sealed = load.report.acknowledged.length
  t.same(await Promise.all(cookies.map((cookie) => fleet.visit(cookie, 0))), cookies.map(() => 200), 'sealed off, the old gateway serves who is signed in')
  t.not(await fleet.send(fleet.authSync(['late']), 0), '000000')
  await pause(300)
  t.equal(load.report.acknowledged.length, sealed, 'and acknowledges no push')
  const refused = startJointgate(['serve'], { ...fleet.env(0), JOINTGATE_LISTEN: '127.0.0.1:0', JOINTGATE_OPERATOR_LISTEN: '127.0.0.1:0' })
  t.match((await refused.ended).stderr, /being moved/, 'no gateway starts on the old store')

  load.faultNow()
  fleet.processes[0]?.child.kill('SIGTERM')
  await fleet.processes[0]?.ended
  setStorage(to)
  await fleet.start(0)
  await load.recovered()
  await pause(1_000)
  const { statuses, acknowledged, signedOut, recoveryMs, repeated } = await load.stop()
  t.comment(`page views: ${JSON.stringify([...statuses])}; pushes ${acknowledged.length}, repeated ${repeated}; the change took ${recoveryMs} ms`)
  t.same(signedOut, [], 'nobody was signed out or turned away')
  t.same(await Promise.all(cookies.map((cookie) => fleet.visit(cookie, 0))), cookies.map(() => 200), 'each cookie works')
  t.equal(await fleet.visit(ending, 0), 401, 'an ended session does not live on')
  t.same(await missingUsers(fleet, settings, acknowledged), [], `each of ${acknowledged.length} acknowledged pushes is there`)
}

t.test('a gateway under load moves from LMDB to Redis and back: nobody is signed out, no acknowledged push is lost', { timeout: 180_000 }, async (t) => {
  const server = await openRedisServer(t)
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-move-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  let address = `lmdb:${join(folder, 'first')}`
  const fleet = await openGatewayFleet(t, { count: 1, storage: () => ({ JOINTGATE_STORAGE: address }) })
  await fleet.deliver(fleet.authSync(people))
  const cookies: string[] = []
  for (const userName of [...people, ...people]) cookies.push(await fleet.signIn(userName))
  const moving: Move = { fleet, cookies, setStorage: (next) => { address = next } }
  await move(t, moving, server.url, { kind: 'redis', redis: redisSettings(server.url) })
  await move(t, moving, `lmdb:${join(folder, 'second')}`, { kind: 'lmdb', directory: join(folder, 'second') })
})

/** The session's name, as the commands take it. */
function refOf (cookieHeader: string): string {
  return sessionRefOf(cookieValues(cookieHeader, cookieNames.session)[0] ?? '')
}

async function missingUsers (fleet: GatewayFleet, settings: StorageSettings, users: readonly string[]): Promise<string[]> {
  const box = new SealedBox((fleet.env(0)['JOINTGATE_SECRET_KEYS'] ?? '').split(',').map((key) => Buffer.from(key, 'base64')))
  const storage = await openStorage(settings, { box, clock: systemClock, dangerouslyAllowLoss: true, onEvent: () => {} })
  const views = await Promise.all(users.map((userName) =>
    storage.directory.viewAccess('production', tenantId as TenantId, appId as AppId, userName as UserName)))
  await storage.close()
  return users.filter((_, index) => views[index]?.accounts.length !== 1)
}

function pause (milliseconds: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds) })
}
