import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:net'
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { sealingKey, serveVariables, startJointgate } from '../support/run-jointgate.ts'

t.test('--help, --version and anything that is no verb', async (t) => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const words = [['--help'], ['--version'], ['srve'], ['check', 'now'], ['check', '--help'], ['serve', '-h']]
  const [help, version, unknown, tooMany, ...helpBehindVerbs] = await Promise.all(words.map((args) => startJointgate(args, {}).ended))
  t.match(help, { code: 0, stdout: /serve .*check .*demo/s, stderr: '' })
  t.match(version, { code: 0, stdout: `${manifest.version}\n` })
  t.match(unknown, { code: 2, stdout: '', stderr: /^Usage/ })
  t.match(tooMany, { code: 2, stderr: /^Usage/ })
  for (const answer of helpBehindVerbs) t.match(answer, { code: 0, stdout: /^Usage: jointgate \[verb\]/, stderr: '' })
})

t.test('serve and check print every complaint at once and exit with 78', async (t) => {
  const variables = { JOINTGATE_LISTEN: 'nowhere', JOINTGATE_UPSTRAEM: 'x' }
  const runs = await Promise.all([['serve'], ['check']].map((args) => startJointgate(args, variables).ended))
  t.match(runs[0]?.stderr, /^jointgate cannot start: 6 complaints/)
  t.match(runs[1]?.stderr, /^jointgate: 6 complaints/, 'check starts nothing')
  for (const { code, stdout, stderr } of runs) {
    t.equal(code, 78)
    t.equal(stdout, '')
    for (const name of ['JOINTGATE_LISTEN', 'JOINTGATE_UPSTRAEM', 'JOINTGATE_SECRET_KEYS', 'JOINTGATE_APP_ID', 'JOINTGATE_PUBLIC_URL', 'JOINTGATE_UPSTREAM']) {
      t.match(stderr, name)
    }
  }
})

t.test('check prints what the configuration means, warnings too, and no secret (T-38)', async (t) => {
  const directory = t.testdir({ 'not-a-folder': '' })
  const privateKey = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  writeFileSync(`${directory}/key.pem`, privateKey)
  const variables = { ...serveVariables(directory), JOINTGATE_MARKETPLACE_PRIVATE_KEYS_FILE: `${directory}/key.pem` }
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

t.test('check tells where the hook and the order query are, who may come where, and none of the secrets (T-38)', async (t) => {
  const { stdout } = await startJointgate(['check'], {
    ...serveVariables(t.testdir()),
    JOINTGATE_PROVISIONING_URL: 'https://hooks.example.com/canary-path',
    JOINTGATE_PROVISIONING_SECRETS: `whsec_${sealingKey}`,
    JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: 'canary-ak',
    JOINTGATE_ORDER_QUERY_SECRET_ACCESS_KEY: 'canary-sk',
    JOINTGATE_ROUTES: '[{ path: /admin, roles: [admin] }]',
    JOINTGATE_WORKERS: '4',
  }).ended
  t.match(stdout, /workers +4\n.*\nRoutes.*\n +routes\[0\] +\/admin +role admin +to http:\/\/127\.0\.0\.1:3000 +within 60 s\n +no rule /s)
  t.match(stdout, /provisioning hook +https:\/\/hooks\.example\.com\n.*order query +https:\/\/mkt\.myhuaweicloud\.com/s)
  t.notMatch(stdout, new RegExp(`canary|${sealingKey.slice(0, 20).replaceAll('+', '\\+')}`))
})

t.test('who reads only the beginning of a command\'s output sees no stack, and the command keeps its exit code', async (t) => {
  const { child, ended } = startJointgate(['--help'], {})
  child.stdout?.destroy()
  t.match(await ended, { code: 0, stderr: '' })
})

t.test('serve tells its addresses, answers health, and stops in order on SIGTERM', async (t) => {
  const gateway = startJointgate(['serve'], serveVariables(t.testdir()))
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

t.test('a port that is taken is told in one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { other.close() })
  await new Promise((resolve) => { other.once('listening', resolve) })
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, stderr } = await startJointgate([], { ...serveVariables(t.testdir()), JOINTGATE_LISTEN: `127.0.0.1:${port}` }).ended
  t.equal(code, 1)
  t.match(stderr, /^jointgate cannot start: bind EADDRINUSE[^\n]*\n$/)
})
