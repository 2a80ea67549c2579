import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { toPushTime } from '../support/build-gateway.ts'
import { tls } from '../support/http2-client.ts'
import { openRecordingUpstream } from '../support/recording-upstream.ts'
import { isAlive, serveVariables, startJointgate } from '../support/run-jointgate.ts'
import { until } from '../support/signed-in.ts'

/* What signals and uncaught faults do to a gateway that runs. */

const certificateOf = (name: string): URL => new URL(`../fixtures/tls/${name}.pem`, import.meta.url)

t.test('SIGHUP: the marketplace\'s keys are read again from their files, like all settings; a bad file changes nothing', async (t) => {
  const directory = t.testdir({ kit: 'first-kit-key-0123456789' })
  const { JOINTGATE_MARKETPLACE_KIT_KEYS: _, ...variables } = serveVariables(directory)
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
  const gateway = startJointgate(['serve'], serveVariables(t.testdir()))
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

t.test('what hangs at SIGTERM is broken off after ten seconds, at a second signal at once: both end with 1', { timeout: 60_000 }, async (t) => {
  const upstream = await openRecordingUpstream(t)
  upstream.answer = (_asked, response) => { response.write('half of ') }
  const stop = async (...signals: NodeJS.Signals[]) => {
    const gateway = startJointgate(['serve'], {
      ...serveVariables(t.testdir()), JOINTGATE_UPSTREAM: upstream.url, JOINTGATE_ROUTES: '[{ path: /, access: public }]',
    })
    t.teardown(() => gateway.child.kill('SIGKILL'))
    const { publicAddress } = await gateway.logged('gateway.started')
    const answer = await fetch(`${String(publicAddress)}/hangs`)
    const body = answer.text().then(() => 'whole', () => 'broken off')
    const workers = gateway.workers()
    const begunAt = Date.now()
    for (const signal of signals) {
      gateway.child.kill(signal)
      await gateway.logged('gateway.stopping')
    }
    const { code } = await gateway.ended
    const tookMs = Date.now() - begunAt
    t.strictSame([answer.status, await body, code], [200, 'broken off', 1], signals.join())
    await until(() => !workers.some(isAlive))
    return tookMs
  }
  const tookMs = await stop('SIGTERM')
  t.ok(tookMs >= 9_500 && tookMs < 13_000, `after ${tookMs} ms`)
  const twice = await Promise.all([stop('SIGTERM', 'SIGTERM'), stop('SIGINT', 'SIGTERM')])
  t.ok(twice.every((ms) => ms < 5_000), `after ${twice.join(' and ')} ms`)
})

t.test('SIGHUP: another certificate is what the next connection gets', async (t) => {
  const folder = t.testdir({ certificate: readFileSync(certificateOf('localhost')), key: tls.key.reveal() })
  const gateway = startJointgate(['serve'], {
    ...serveVariables(folder), JOINTGATE_TLS_CERTIFICATE_FILE: `${folder}/certificate`, JOINTGATE_TLS_KEY_FILE: `${folder}/key`,
  })
  t.teardown(() => gateway.child.kill('SIGKILL'))
  const { publicAddress } = await gateway.logged('gateway.started')
  const servedName = async (): Promise<unknown> => {
    const socket = connectTls({ port: Number(new URL(String(publicAddress)).port), host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { CN } = socket.getPeerCertificate().subject
    socket.destroy()
    return CN
  }
  t.equal(await servedName(), 'localhost')
  copyFileSync(certificateOf('wrong-name'), `${folder}/certificate`)
  gateway.child.kill('SIGHUP')
  await gateway.logged('config.reloaded')
  t.equal(await servedName(), 'other.example.com')
})

t.test('C-64: a fault that nobody caught is logged as fatal and ends the worker, and another one takes its place', async (t) => {
  const preload = 'data:text/javascript,process.on("SIGURG",()=>{Promise.reject(new Error("planted"))})'
  const gateway = startJointgate(['serve'], serveVariables(t.testdir()), preload)
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  const [worker = 0] = gateway.workers()
  process.kill(worker, 'SIGURG')
  t.match(await gateway.logged('gateway.failed'), { level: 'fatal', err: { message: 'planted' } })
  t.match(await gateway.logged('worker.ended'), { level: 'error', pid: worker, code: 1 })
  const { publicAddress } = await gateway.logged('worker.started')
  t.equal((await fetch(`${String(publicAddress)}/_gate/session`)).status, 401)
})

t.test('a worker has rehearsed before it listens, and runs with the flags that keep a request\'s memory young', async (t) => {
  const count = 'let count=0;subscribe("http.server.request.start",()=>{count++})'
  const tell = 'process.on("SIGURG",()=>{console.log(JSON.stringify({event:"test.counted",count}))})'
  const preload = `data:text/javascript,import { subscribe } from "node:diagnostics_channel";${count};${tell}`
  const gateway = startJointgate(['serve'], serveVariables(t.testdir()), preload)
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  const [worker = 0] = gateway.workers()
  const words = readFileSync(`/proc/${worker}/cmdline`, 'utf8').split('\0')
  t.ok(words.includes('--no-allocation-site-pretenuring'))
  t.ok(words.includes('tsx'), 'and with those of the supervisor')
  process.kill(worker, 'SIGURG')
  t.match(await gateway.logged('test.counted'), { count: 16 })
})

t.test('C-64: a worker that goes wrong below JavaScript dies of it, and another one takes its place', { timeout: 60_000 }, async (t) => {
  // A function of V8 that takes whatever it is given for a text.
  const crash = 'setFlagsFromString("--allow-natives-syntax");new Function("%25AbortJS(1)")()'
  const preload = `data:text/javascript,import { setFlagsFromString } from "node:v8";process.on("SIGURG",()=>{${crash}})`
  const gateway = startJointgate(['serve'], serveVariables(t.testdir()), preload)
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  const [worker = 0] = gateway.workers()
  // One that turned in circles would not even notice that its supervisor has gone.
  t.teardown(() => { if (existsSync(`/proc/${worker}`)) process.kill(worker, 'SIGKILL') })
  process.kill(worker, 'SIGURG')
  t.match(await gateway.logged('worker.ended'), { level: 'error', pid: worker, signal: /^SIG(ILL|TRAP|ABRT|SEGV)$/ })
  const { publicAddress } = await gateway.logged('worker.started')
  t.equal((await fetch(`${String(publicAddress)}/_gate/session`)).status, 401)
  gateway.child.kill('SIGURG')
  t.match((await gateway.ended).signal, /^SIG(ILL|TRAP|ABRT|SEGV)$/, 'so does the supervisor')
})

t.test('C-64: one that the supervisor did not catch ends them all', async (t) => {
  const preload = 'data:text/javascript,process.on("SIGURG",()=>{Promise.reject(new Error("planted"))})'
  const gateway = startJointgate(['serve'], serveVariables(t.testdir()), preload)
  t.teardown(() => gateway.child.kill('SIGKILL'))
  await gateway.logged('gateway.started')
  gateway.child.kill('SIGURG')
  t.match(await gateway.logged('gateway.failed'), { level: 'fatal', err: { message: 'planted' } })
  t.equal((await gateway.ended).code, 1)
})
