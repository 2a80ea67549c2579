import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Client, request } from 'undici'
import { openGatewayFleet, type GatewayFleet } from '../support/gateway-fleet.ts'
import { isAlive, type RunningProcess } from '../support/run-jointgate.ts'
import { until } from '../support/signed-in.ts'
import { dialWebSocket, openLiveUpstream, type LiveUpstream, type WebSocketClient } from '../support/web-socket.ts'
import { openLines, workerAt, type Line } from '../support/worker-lines.ts'

/* Two workers of one gateway, real processes on one embedded store: what one has acknowledged holds at the other one. */

const people = Array.from({ length: 24 }, (_, index) => `person-${index}`)

async function openWorkers (t: Test): Promise<{ fleet: GatewayFleet, upstream: LiveUpstream, lines: [Line, Line] }> {
  const upstream = await openLiveUpstream(t)
  const fleet = await openGatewayFleet(t, { count: 1, storage: () => ({ JOINTGATE_WORKERS: '2', JOINTGATE_UPSTREAM: upstream.url }) })
  const [one, other] = await openLines(fleet)
  if (one === undefined || other === undefined) throw new Error('there are not two workers')
  t.teardown(() => {
    one.close()
    other.close()
  })
  return { fleet, upstream, lines: [one, other] }
}

t.test('two workers on one store', { timeout: 120_000 }, async (t) => {
  const { fleet, upstream, lines } = await openWorkers(t)
  await fleet.deliver(fleet.authSync(people))

  await t.test('who loses access by a push to one worker is out at the other one\'s very next request', async (t) => {
    for (const [turn, userName] of people.slice(0, 20).entries()) {
      const [taker, other] = turn % 2 === 0 ? lines : [lines[1], lines[0]]
      const cookie = await fleet.signIn(userName)
      t.equal(await other.visit(cookie), 200)
      // Requests of others keep the worker reading while the push is taken.
      const work = { isOver: false }
      const busy = (async () => { while (!work.isOver) await fleet.visit('', 0) })()
      t.equal(await taker.send(fleet.authSync([userName], 0)), '000000')
      t.equal(await other.visit(cookie), 403, userName)
      t.equal(await taker.visit(cookie), 401, 'the refusal has ended the session')
      work.isOver = true
      await busy
    }
  })

  await t.test('an event stream and a WebSocket at one worker end when the other one takes the push', async (t) => {
    const userName = people[20] ?? ''
    upstream.answer = (asked, response) => {
      if (asked.url === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n')
      else response.end('a page')
    }
    const cookie = await fleet.signIn(userName)
    const url = fleet.urls[0] ?? ''
    const { body } = await request(`${url}/events`, { headers: { cookie }, bodyTimeout: 10_000 })
    let events = ''
    const streamEnd = (async () => { for await (const chunk of body) events += String(chunk) })().catch(() => {})
    const sockets = new Map<number | undefined, WebSocketClient>()
    while (sockets.size < 2) {
      const client = await dialWebSocket(url, { cookie })
      sockets.set(workerAt(fleet.processes[0]!, client.socket.localPort ?? 0), client)
    }
    t.equal(await lines[0].send(fleet.authSync([userName], 0)), '000000')
    const acknowledgedAt = performance.now()
    for (const client of sockets.values()) t.equal(await client.closed(), '1008 authorisation-withdrawn')
    await streamEnd
    const took = performance.now() - acknowledgedAt
    t.comment(`all had ended ${took.toFixed(0)} ms after the push was acknowledged`)
    t.ok(took < 1_000)
    t.match(events, /event: jointgate-session-ended/)
  })

  await t.test('a push that comes again is known to the other worker, and one that comes to both at once counts once', async () => {
    for (let round = 0; round < 5; round++) {
      const push = fleet.authSync([people[21] ?? ''])
      t.equal(await lines[0].send(push), '000000')
      t.equal(await lines[1].send(push), '000000')
      const twice = fleet.authSync([people[22] ?? ''])
      t.same(await Promise.all(lines.map((line) => line.send(twice))), ['000000', '000000'])
    }
  })

  await t.test('kill -9 of one worker: the other one serves on, nothing acknowledged is lost, and there are two again', async (t) => {
    const userName = people[23] ?? ''
    const cookie = await fleet.signIn(userName)
    const [gone, stays] = lines
    t.equal(await gone.send(fleet.authSync([userName], 2, { role: 'admin' })), '000000')
    process.kill(gone.worker, 'SIGKILL')
    t.equal(await stays.visit(cookie), 401, 'signed in again with the new role only')
    t.match(await fleet.processes[0]!.logged('worker.ended'), { pid: gone.worker, signal: 'SIGKILL' })
    const { pid } = await fleet.processes[0]!.logged('worker.started')
    t.same(new Set(fleet.processes[0]!.workers()), new Set([stays.worker, pid]))
    const lineAgain = (await openLines(fleet)).find(({ worker }) => worker === pid)
    t.equal(await lineAgain?.visit(await fleet.signIn(userName)), 200)
    lineAgain?.close()
  })

  fleet.processes[0]!.child.kill('SIGTERM')
  const { code, stdout } = await fleet.processes[0]!.ended
  t.equal(code, 0)
  const outcomes = stdout.split('\n').filter((line) => line.includes('"push.received"')).map((line) => (JSON.parse(line) as { outcome: string }).outcome)
  t.equal(outcomes.filter((outcome) => outcome === 'repeated').length, 10)
  t.equal(stdout.split('"event":"gateway.started"').length, 2, 'said once')
})

t.test('the supervisor is killed: no worker is left, and the address is free', { timeout: 60_000 }, async (t) => {
  const { fleet } = await openWorkers(t)
  const pids = fleet.processes[0]!.workers()
  t.equal(pids.length, 2)
  await fleet.kill(0)
  await until(() => pids.every((pid) => !isAlive(pid)))
  await fleet.start(0)
  t.equal(await fleet.visit('', 0), 401)
})

t.test('SIGHUP under load: no request is dropped, what is open stays, and the new settings hold', { timeout: 240_000 }, async (t) => {
  const folder = t.testdir()
  const write = (storage: string, more = ''): void => {
    writeFileSync(`${folder}/jointgate.yaml`, `storage: lmdb:${folder}/${storage}\nworkers: 2\n${more}`)
  }
  write('data')
  const upstream = await openLiveUpstream(t)
  const settings = { JOINTGATE_CONFIG: `${folder}/jointgate.yaml`, JOINTGATE_STORAGE: '', JOINTGATE_UPSTREAM: upstream.url }
  const fleet = await openGatewayFleet(t, { count: 1, storage: () => settings })
  const [gateway] = fleet.processes as [RunningProcess]
  await fleet.deliver(fleet.authSync(['lihua']))
  const cookie = await fleet.signIn('lihua')
  const url = fleet.urls[0] ?? ''
  let finish = (): void => {}
  upstream.answer = (asked, response) => {
    if (asked.url === '/download') {
      response.write('half of ')
      finish = () => { response.end('it') }
    } else {
      response.end('a page')
    }
  }
  const download = await request(`${url}/download`, { headers: { cookie } })
  const socket = await dialWebSocket(url, { cookie })

  // Each visitor has one connection and keeps it as long as the gateway does; nothing here asks twice.
  const load = { isOver: false, answered: 0, others: [] as unknown[] }
  const visitors = Array.from({ length: 6 }, async (_, index) => {
    const client = new Client(url, { pipelining: 1 })
    while (!load.isOver) {
      const asked = index % 2 === 0 ? { method: 'GET' as const } : { method: 'POST' as const, body: 'some text' }
      const status = await client.request({ path: '/page', headers: { cookie }, ...asked })
        .then(async ({ statusCode, body }) => await body.dump().then(() => statusCode), (error: unknown) => error)
      if (status === 200) load.answered++
      else load.others.push(status)
      // Some are idle when it happens; and the machine has to start processes beside it.
      await new Promise((resolve) => { setTimeout(resolve, index > 3 ? 80 : 5) })
    }
    await client.close()
  })
  const visitAnew = async (): Promise<number> => {
    const { statusCode, body } = await request(`${url}/page`, { headers: { accept: 'application/json' }, reset: true, dispatcher: new Client(url) })
    await body.dump()
    return statusCode
  }
  t.equal(await visitAnew(), 401)
  const before = new Set(gateway.workers())
  for (const routes of ['', 'routes: [{ path: /page, access: public }]']) {
    write('data', routes)
    const reloads = gateway.count('config.reloaded')
    gateway.child.kill('SIGHUP')
    await until(() => gateway.count('config.reloaded') > reloads, 60_000)
    const answered = load.answered
    await until(() => load.answered > answered + 50, 30_000)
    t.equal(await visitAnew(), routes === '' ? 401 : 200, 'a new connection meets the new rules')
  }
  for (const [complaint, refuse] of [[/^storage: /, () => { write('elsewhere') }], [/^session\.idleTimeoutSeconds/, () => { write('data', 'session: { idleTimeoutSeconds: never }') }]] as const) {
    const refusals = gateway.count('config.refused')
    refuse()
    gateway.child.kill('SIGHUP')
    await until(() => gateway.count('config.refused') > refusals, 60_000)
    t.match(gateway.last('config.refused'), { level: 'error', complaints: [complaint] })
    t.equal(await visitAnew(), 200, 'everything stays')
  }
  t.match(await socket.closed(), /^1001 /, 'the worker of before lets go at last')
  const answered = load.answered
  await until(() => load.answered > answered + 50, 30_000)
  load.isOver = true
  await Promise.all(visitors)
  t.same(load.others, [], `${load.answered} answered`)
  t.not(gateway.workers().filter((pid) => !before.has(pid)).length, 0)

  finish()
  t.equal(await download.body.text(), 'half of it', 'by a worker of before')
  gateway.child.kill('SIGTERM')
  t.match(await gateway.ended, { code: 0, stderr: '' })
})
