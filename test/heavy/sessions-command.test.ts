import t from 'tap'
import type { AppId, TenantId, UserName } from '../../src/directory/model.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { appId, openTestGateway, testEnvironment } from '../support/build-gateway.ts'
import { openRedisServer } from '../support/redis-server.ts'
import { startJointgate } from '../support/run-jointgate.ts'
import { anySession } from '../support/any-session.ts'
import { bindTenant, signIn, storedSession, tenantId } from '../support/signed-in.ts'

t.test('C-28: sessions are listed and ended beside a running gateway, by name, account, enterprise and all; the next request is turned away', async (t) => {
  const gateway = await openTestGateway(t)
  const server = await bindTenant(t, gateway)
  const enter = () => signIn(gateway, server)
  const browsers = [await enter(), await enter(), await enter(), await enter()] as const
  const now = gateway.clock.now()
  const other = anySession({ tenantId: 'tenant-2' as TenantId, createdAt: now, lastSeenAt: now, endsAt: now + 9_000_000 })
  const dashed = anySession({ ref: `-${'d'.repeat(42)}` as SessionRef, appId: appId as AppId, userName: '-lihua' as UserName, createdAt: now, lastSeenAt: now, endsAt: now + 9_000_000 })
  await gateway.storage.sessions.create(other)
  await gateway.storage.sessions.create(dashed)
  const env = testEnvironment({ url: gateway.url, upstream: gateway.upstream.url, dataFolder: gateway.dataFolder })
  const run = (...words: string[]) => startJointgate(['sessions', ...words], env).ended
  const isIn = async (browser: typeof browsers[number]): Promise<boolean> => (await browser.open('/')).status === 200
  const first = await storedSession(gateway, browsers[0].cookieHeader())

  const [listed, ofTenant, json, ...misspelt] = await Promise.all([
    run('list'), run('list', '--tenant', 'tenant-2', '--personal'), run('list', '--tenant', tenantId, '--user', 'lihua', '--json'),
    run('end'), run('end', '--all', '--tenant', 'x'),
  ])
  t.match(listed, { code: 0, stderr: '' })
  t.equal(listed?.stdout.split('\n').length, 8, listed?.stdout)
  t.match(listed?.stdout, new RegExp(`\n${first?.ref.slice(0, 8) ?? ''}  ${tenantId}  l\\*\\*\\*a +\\d{4}-`))
  t.notMatch(listed?.stdout, 'lihua')
  t.match(ofTenant?.stdout, /tenant-2 +zhangsan/)
  t.equal(JSON.parse(json?.stdout ?? '').length, 4)
  for (const { stdout } of [listed, ofTenant, json]) t.notMatch(stdout, /token|__Host/i)
  for (const browser of browsers) t.notOk(listed?.stdout.includes(browser.cookies.get('__Host-jointgate') ?? 'none'), 'C-34: no id')
  for (const { code, stderr } of misspelt) t.match({ code, stderr }, { code: 2, stderr: /^Usage/ })

  // A session's name may begin with a dash, and so may an account's.
  t.match(await run('list', '--tenant', dashed.tenantId, '--user', '-lihua'), { code: 0, stdout: /\n-ddddddd / })
  t.match(await run('end', '--ref', '-ddddddd'), { code: 0, stdout: /^ended -ddddddd of/ })
  t.match(await run('end', '--ref', '--all'), { code: 2 })

  t.ok(await isIn(browsers[0]))
  t.match(await run('end', '--ref', first?.ref.slice(0, 10) ?? ''), { code: 0, stdout: `ended ${first?.ref.slice(0, 8)} of l***a of ${tenantId}\n` })
  t.equal(await isIn(browsers[0]), false, 'T-13: ended by another process, seen by the very next request')
  t.ok(await isIn(browsers[1]))
  t.match(await run('end', '--tenant', tenantId, '--user', 'lihua'), { code: 0, stdout: /3 sessions have ended\.\n$/ })
  for (const browser of browsers) t.equal(await isIn(browser), false)
  t.match(await run('end', '--all'), { code: 0, stdout: /of z\*\*\*n of tenant-2\n1 session has ended\.\n$/ })
  t.match(await run('list'), { code: 0, stdout: 'Nobody is signed in.\n' })
  t.match(await signIn(gateway, server).then(isIn), true, 'and the gateway goes on')
})

t.test('C-28: the same beside a gateway on Redis, which hears of it', async (t) => {
  const redis = await openRedisServer(t)
  const storage = { JOINTGATE_STORAGE: redis.url }
  const gateway = await openTestGateway(t, { env: storage })
  const server = await bindTenant(t, gateway)
  const browser = await signIn(gateway, server)
  t.equal((await browser.open('/')).status, 200)
  const env = testEnvironment({ url: gateway.url, upstream: gateway.upstream.url, dataFolder: gateway.dataFolder, env: storage })
  t.match(await startJointgate(['sessions', 'list'], env).ended, { code: 0, stdout: /l\*\*\*a/ })
  t.match(await startJointgate(['sessions', 'end', '--tenant', tenantId], env).ended, { code: 0, stdout: /\n1 session has ended\.\n$/ })
  t.match(await browser.open('/'), { status: 303, location: /because=session-unknown/ }, 'with the clock standing still: by the notification')
})

t.test('C-35: where there is no store a command makes none', async (t) => {
  const folder = t.testdir()
  const env = testEnvironment({ url: 'http://127.0.0.1:1', upstream: 'http://127.0.0.1:2', dataFolder: `${folder}/none` })
  t.match(await startJointgate(['sessions', 'end', '--all'], env).ended, { code: 1, stderr: /cannot be read/ })
})
