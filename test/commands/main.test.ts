import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { toPushTime } from '../support/build-gateway.ts'
import { startJointgate } from '../support/run-jointgate.ts'

const sealingKey = randomBytes(32).toString('base64')

function goodVariables (directory: string): Record<string, string> {
  return {
    JOINTGATE_LISTEN: '127.0.0.1:0',
    JOINTGATE_OPERATOR_LISTEN: '127.0.0.1:0',
    JOINTGATE_STORAGE: `lmdb:${directory}/data`,
    JOINTGATE_SECRET_KEYS: sealingKey,
    JOINTGATE_APP_ID: 'app-1',
    JOINTGATE_PUBLIC_URL: 'https://app.example.com',
    JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
    JOINTGATE_MARKETPLACE_KIT_KEYS: 'canary-access-key',
  }
}

t.test('--help, --version and anything that is no verb', async (t) => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const [help, version, unknown, tooMany] = await Promise.all([['--help'], ['--version'], ['srve'], ['check', 'now']].map((args) => startJointgate(args, {}).ended))
  t.match(help, { code: 0, stdout: /serve .*check .*demo/s, stderr: '' })
  t.match(version, { code: 0, stdout: `${manifest.version}\n` })
  t.match(unknown, { code: 2, stdout: '', stderr: /^Usage/ })
  t.match(tooMany, { code: 2, stderr: /^Usage/ })
})

t.test('serve and check print every complaint at once and exit with 78', async (t) => {
  const variables = { JOINTGATE_LISTEN: 'nowhere', JOINTGATE_UPSTRAEM: 'x' }
  const runs = await Promise.all([['serve'], ['check']].map((args) => startJointgate(args, variables).ended))
  for (const { code, stdout, stderr } of runs) {
    t.equal(code, 78)
    t.equal(stdout, '')
    for (const name of ['JOINTGATE_LISTEN', 'JOINTGATE_UPSTRAEM', 'JOINTGATE_SECRET_KEYS', 'JOINTGATE_APP_ID', 'JOINTGATE_PUBLIC_URL', 'JOINTGATE_UPSTREAM']) {
      t.match(stderr, name)
    }
    t.match(stderr, '6 complaints')
  }
})

t.test('check prints what the configuration means, warnings too, and no secret (T-38)', async (t) => {
  const directory = t.testdir({ 'not-a-folder': '' })
  const privateKey = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  writeFileSync(`${directory}/key.pem`, privateKey)
  const variables = { ...goodVariables(directory), JOINTGATE_MARKETPLACE_PRIVATE_KEYS_FILE: `${directory}/key.pem` }
  const [good, unwritable] = await Promise.all([
    startJointgate(['check'], variables).ended,
    startJointgate(['check'], { ...variables, JOINTGATE_STORAGE: `lmdb:${directory}/not-a-folder` }).ended,
  ])
  t.match(good, { code: 0, stderr: '' })
  t.match(good?.stdout, /provisioning hook +none.*order query +off.*grace \(days: 1\) full, expired renew, frozen renew, released refuse.*pushes for 30 days/s)
  for (const text of ['http://127.0.0.1:0/', 'https://app.example.com/_gate/callback', 'https://app.example.com/_gate/marketplace', 'RSA 3072', 'TENANT_DOMAINS is empty']) t.match(good?.stdout, text)
  for (const secret of [sealingKey, 'canary', privateKey.split('\n')[3] ?? '']) t.notOk(good?.stdout.includes(secret))
  t.match(unwritable, { code: 1, stdout: /not-a-folder is no folder/ })
})

t.test('check tells where the hook and the order query are, and none of their secrets (T-38)', async (t) => {
  const { stdout } = await startJointgate(['check'], {
    ...goodVariables(t.testdir()),
    JOINTGATE_PROVISIONING_URL: 'https://hooks.example.com/canary-path',
    JOINTGATE_PROVISIONING_SECRETS: `whsec_${sealingKey}`,
    JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: 'canary-ak',
    JOINTGATE_ORDER_QUERY_SECRET_ACCESS_KEY: 'canary-sk',
  }).ended
  t.match(stdout, /provisioning hook +https:\/\/hooks\.example\.com\n.*order query +https:\/\/mkt\.myhuaweicloud\.com/s)
  t.notMatch(stdout, new RegExp(`canary|${sealingKey.slice(0, 20).replaceAll('+', '\\+')}`))
})

t.test('who reads only the beginning of a command\'s output sees no stack, and the command keeps its exit code', async (t) => {
  const { child, ended } = startJointgate(['--help'], {})
  child.stdout?.destroy()
  t.match(await ended, { code: 0, stderr: '' })
})

t.test('serve tells its addresses, answers health, and stops in order on SIGTERM', async (t) => {
  const gateway = startJointgate(['serve'], goodVariables(t.testdir()))
  t.teardown(() => gateway.child.kill('SIGKILL'))
  const started = await gateway.logged('gateway.started')
  t.match(started, { level: 'info', publicUrl: 'https://app.example.com', upstream: ['http://127.0.0.1:3000'], workers: 1 })
  t.equal((await fetch(`${String(started['operatorAddress'])}/healthz/ready`)).status, 200)
  t.equal((await fetch(`${String(started['publicAddress'])}/_gate/session`)).status, 401)
  t.match(await gateway.logged('config.warning'), { level: 'warn', msg: /JOINTGATE_MARKETPLACE_/ })
  gateway.child.kill('SIGTERM')
  const { code, stdout } = await gateway.ended
  t.equal(code, 0)
  t.match(stdout, /"event":"gateway.stopping","signal":"SIGTERM"/)
  t.notMatch(stdout, 'canary')
})

t.test('SIGHUP: the marketplace\'s keys are read again from their files, like all settings; a bad file changes nothing', async (t) => {
  const directory = t.testdir({ kit: 'first-kit-key-0123456789' })
  const { JOINTGATE_MARKETPLACE_KIT_KEYS: _, ...variables } = goodVariables(directory)
  const gateway = startJointgate(['serve'], { ...variables, JOINTGATE_MARKETPLACE_KIT_KEYS_FILE: `${directory}/kit` })
  t.teardown(() => gateway.child.kill('SIGKILL'))
  const { publicAddress } = await gateway.logged('gateway.started')
  const pushSignedWith = async (key: string): Promise<string> => {
    const body = JSON.stringify({ tenantId: 't', flag: 0, testFlag: 0, instanceId: 'i', timeStamp: toPushTime(Date.now()) })
    const headers = { 'content-type': 'application/json', ...signKitV2(key, body, randomBytes(16).toString('hex'), Date.now()) }
    const answer = await fetch(`${String(publicAddress)}/_gate/marketplace/produceAPI/v2/tenantSync`, { method: 'POST', body, headers })
    return (await answer.json() as { resultCode: string }).resultCode
  }
  t.equal(await pushSignedWith('second-kit-key-0123456789'), '000001')
  writeFileSync(`${directory}/kit`, '<your key>')
  gateway.child.kill('SIGHUP')
  t.match(await gateway.logged('config.refused'), { level: 'error', complaints: [/marketplace\.kitKeys/] })
  t.equal(await pushSignedWith('first-kit-key-0123456789'), '000000')
  writeFileSync(`${directory}/kit`, 'second-kit-key-0123456789,first-kit-key-0123456789')
  gateway.child.kill('SIGHUP')
  t.match(await gateway.logged('config.reloaded'), { kitKeys: 2, publicAddress })
  t.equal(await pushSignedWith('second-kit-key-0123456789'), '000000')
  t.equal(await pushSignedWith('first-kit-key-0123456789'), '000000', 'both sign while the exchange lasts')
})

t.test('a request in flight at SIGTERM is still answered', async (t) => {
  const gateway = startJointgate(['serve'], goodVariables(t.testdir()))
  t.teardown(() => gateway.child.kill('SIGKILL'))
  const { publicAddress } = await gateway.logged('gateway.started')
  const client = connect(Number(new URL(String(publicAddress)).port), '127.0.0.1').setEncoding('utf8')
  t.teardown(() => { client.destroy() })
  client.write('POST /_gate/sign-in HTTP/1.1\r\nhost: app.example.com\r\nexpect: 100-continue\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 3\r\n\r\n')
  t.match(await once(client, 'data'), [/^HTTP\/1\.1 100/], 'the gateway waits for the body')
  gateway.child.kill('SIGTERM')
  await gateway.logged('gateway.stopping')
  client.write('a=b')
  t.match(await once(client, 'data'), [/^HTTP\/1\.1 403/])
  t.equal((await gateway.ended).code, 0)
})

t.test('C-64: a fault that nobody caught is logged as fatal and ends the worker, and another one takes its place', async (t) => {
  const preload = 'data:text/javascript,process.on("SIGURG",()=>{Promise.reject(new Error("planted"))})'
  const gateway = startJointgate(['serve'], goodVariables(t.testdir()), preload)
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  const [worker = 0] = gateway.workers()
  process.kill(worker, 'SIGURG')
  t.match(await gateway.logged('gateway.failed'), { level: 'fatal', err: { message: 'planted' } })
  t.match(await gateway.logged('worker.ended'), { level: 'error', pid: worker, code: 1 })
  const { publicAddress } = await gateway.logged('worker.started')
  t.equal((await fetch(`${String(publicAddress)}/_gate/session`)).status, 401)
})

t.test('C-64: one that the supervisor did not catch ends them all', async (t) => {
  const preload = 'data:text/javascript,process.on("SIGURG",()=>{Promise.reject(new Error("planted"))})'
  const gateway = startJointgate(['serve'], goodVariables(t.testdir()), preload)
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  gateway.child.kill('SIGURG')
  t.match(await gateway.logged('gateway.failed'), { level: 'fatal', err: { message: 'planted' } })
  t.equal((await gateway.ended).code, 1)
})

t.test('a port that is taken is told in one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { other.close() })
  await new Promise((resolve) => { other.once('listening', resolve) })
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, stderr } = await startJointgate([], { ...goodVariables(t.testdir()), JOINTGATE_LISTEN: `127.0.0.1:${port}` }).ended
  t.equal(code, 1)
  t.match(stderr, /^jointgate cannot start: bind EADDRINUSE[^\n]*\n$/)
})
