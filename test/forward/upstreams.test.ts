import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import type { RouteRule } from '../../src/forward/route-table.ts'
import { chooseServer, type Seat } from '../../src/forward/upstreams/choose-server.ts'
import {
  afterAnswer, afterCheck, afterFailedConnection, afterLostConnection, freshHealth, isTrialDue, onTrial, weightOf, type ServerHealth,
} from '../../src/forward/upstreams/server-health.ts'
import type { UpstreamAddress } from '../../src/forward/upstreams/upstream-address.ts'
import {
  requestText, sessionCookie, startGateway, startRawUpstream, startUpstream, statusOfAnswer, talk, valuesOf,
  type ForwardGateway, type RecordingUpstream,
} from '../support/forward-gateway.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ManualSchedule } from '../support/manual-schedule.ts'

const at = (...urls: { origin: string }[]): UpstreamAddress[] => urls.map(({ origin }) => ({ origin }))
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)
const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/** Who answered each of so many requests, one after the other; the status for a fault. */
async function whoAnswers (gateway: ForwardGateway, count: number, target = '/a'): Promise<string> {
  let names = ''
  for (let index = 0; index < count; index++) {
    const answer = await talk(gateway.port, requestText(target))
    names += statusOfAnswer(answer) === 200 ? bodyOf(answer) : `(${statusOfAnswer(answer)})`
  }
  return names
}

/** Answers with its name. */
const startNamed = (t: Test, name: string): Promise<RecordingUpstream> => startUpstream(t, (_req, res) => { res.end(name) })

async function startStopped (t: Test, name: string): Promise<RecordingUpstream & { start (): Promise<void> }> {
  const upstream = await startNamed(t, name)
  upstream.server.close()
  await once(upstream.server, 'close')
  return {
    ...upstream,
    async start () {
      upstream.server.listen(Number(upstream.url.port), '127.0.0.1')
      await once(upstream.server, 'listening')
    },
  }
}

const linesOf = ({ warnings }: ForwardGateway): Record<string, unknown>[] =>
  warnings.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => String(event).startsWith('upstream.'))

const seats = (weights: readonly number[], loads: readonly number[] = []): (Seat & { readonly id: number })[] =>
  weights.map((weight, id) => ({ id, weight, credit: 0, load: loads[id] ?? 0 }))

const anyWeights = fc.array(fc.constantFrom(0, 0.1, 0.25, 0.5, 0.9, 1), { minLength: 1, maxLength: 8 })

t.test('round robin: everybody gets a share by weight, evenly mixed, and nobody without weight is chosen', async () => {
  fc.assert(fc.property(anyWeights, fc.integer({ min: 1, max: 300 }), (weights, rounds) => {
    const places = seats(weights)
    const total = weights.reduce<number>((sum, weight) => sum + weight, 0)
    const counts = weights.map(() => 0)
    for (let round = 1; round <= rounds; round++) {
      const chosen = chooseServer('round-robin', places)
      if (total === 0) return chosen === undefined
      if (chosen === undefined || chosen.weight === 0) return false
      counts[chosen.id] = (counts[chosen.id] ?? 0) + 1
      // At every moment nobody is a whole round ahead or behind.
      if (!counts.every((count, id) => Math.abs(count - round * (weights[id] ?? 0) / total) < weights.length)) return false
    }
    return true
  }))
  fc.assert(fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 5 }), (servers, rounds) => {
    const places = seats(Array.from({ length: servers }, () => 1))
    return Array.from({ length: rounds }, () => new Set(places.map(() => chooseServer('round-robin', places)?.id))).every(({ size }) => size === servers)
  }))
})

t.test('round robin: who was away has saved up no rush', async () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 0, max: 200 }), (servers, away) => {
    const places = seats(Array.from({ length: servers }, () => 1))
    const first = places[0] as Seat
    first.weight = 0
    for (let round = 0; round < away; round++) chooseServer('round-robin', places)
    first.weight = 1
    const next = Array.from({ length: 2 * servers }, () => chooseServer('round-robin', places)?.id)
    return next.filter((id) => id === 0).length <= 3
  }))
})

t.test('least connections: nobody else would carry less for its weight; of equals each in turn', async () => {
  fc.assert(fc.property(anyWeights, fc.array(fc.nat(50), { minLength: 8, maxLength: 8 }), (weights, loads) => {
    const places = seats(weights, loads)
    const chosen = chooseServer('least-connections', places)
    if (chosen === undefined) return weights.every((weight) => weight === 0)
    const burden = ({ load, weight }: Seat): number => (load + 1) / weight
    return chosen.weight > 0 && places.every((place) => burden(chosen) <= burden(place))
  }))
  fc.assert(fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(9), (servers, load) => {
    const places = seats(Array.from({ length: servers }, () => 1), Array.from({ length: servers }, () => load))
    return new Set(places.map(() => chooseServer('least-connections', places)?.id)).size === servers
  }))
})

type Happening = (health: ServerHealth, now: number) => ServerHealth
const happenings: Record<string, Happening> = {
  answer: (health, now) => afterAnswer(health, now, now - 1),
  lost: afterLostConnection,
  failed: afterFailedConnection,
  good: (health, now) => afterCheck(health, now, true),
  bad: (health, now) => afterCheck(health, now, false),
  trial: (health, now) => isTrialDue(health, now) ? onTrial(health, now) : health,
}

t.test('a server\'s health: what puts it out, what brings it back, and how long it waits', async () => {
  const anyStory = fc.array(fc.tuple(fc.constantFrom(...Object.keys(happenings)), fc.integer({ min: 1, max: 40_000 })), { maxLength: 60 })
  fc.assert(fc.property(anyStory, (story) => {
    let [health, now] = [freshHealth, 0]
    const past: string[] = []
    for (const [what, passed] of story) {
      now += passed
      const before = health
      health = (happenings[what] as Happening)(before, now)
      past.push(what)
      const ended = (...ends: string[]): boolean => ends.every((end, index) => past.filter((one) => ['good', 'bad'].includes(one)).at(index - ends.length) === end)
      if (health.asideMs > 60_000 || (health.standing === 'aside' && health.tryAt > now + 60_000)) return false
      if ((weightOf(health, now, 0) === 1) !== (health.standing === 'in')) return false
      if (before.standing === 'in' && health.standing === 'aside' && what === 'lost' && before.lost !== 2) return false
      if (before.standing === 'in' && health.standing === 'aside' && !['lost', 'failed'].includes(what)) return false
      if (before.standing !== 'out' && health.standing === 'out' && !ended('bad', 'bad', 'bad')) return false
      if (before.standing === 'out' && health.standing !== 'out' && !(health.standing === 'in' && ended('good', 'good'))) return false
      if (before.standing === 'aside' && health.standing === 'in' && what !== 'answer' && !ended('good', 'good')) return false
    }
    return true
  }), { numRuns: 1_000 })

  let health = afterFailedConnection(freshHealth, 0)
  const waits = [health.asideMs]
  for (let round = 0; round < 8; round++) {
    const now = health.tryAt
    t.notOk(isTrialDue(health, now - 1))
    t.ok(isTrialDue(health, now))
    t.equal(afterFailedConnection(health, now), health, 'those that were under way when it was set aside teach nothing new')
    health = onTrial(health, now)
    t.notOk(isTrialDue(health, now), 'one tries it, not all')
    health = afterFailedConnection(health, now)
    waits.push(health.asideMs)
  }
  t.strictSame(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000))
  t.equal(afterAnswer(health, 500_000, 0), health, 'an answer to what was sent before is no sign of life')
  health = afterAnswer(health, 500_000, 400_000)
  t.strictSame([0, 500, 1_000, 5_000, 10_000].map((age) => weightOf(health, 500_000 + age, 10_000)), [0.1, 0.1, 0.1, 0.5, 1])
  t.equal(afterFailedConnection(health, 600_000).asideMs, 1_000, 'the wait begins anew')
  t.equal(weightOf(freshHealth, 0, 10_000), 1, 'at the start nobody has to prove anything')
})

t.test('each of several servers in turn; the same server in two lists is one', async (t) => {
  const [a, b, c] = await Promise.all([startNamed(t, 'A'), startNamed(t, 'B'), startNamed(t, 'C')])
  const gateway = await startGateway(t, {
    upstream: at(a.url, b.url, a.url, c.url),
    routes: [{ ...anyRule, path: '/one', upstream: at(b.url) }],
  })
  t.equal(await whoAnswers(gateway, 7), 'ABCABCA')
  t.equal(await whoAnswers(gateway, 2, '/one'), 'BB')
})

const anyRule: RouteRule = {
  host: undefined, path: '/', access: undefined, roles: undefined, preflight: undefined, upstream: undefined, timeoutSeconds: undefined, accessToken: undefined,
}

t.test('least connections: a stream and a WebSocket are requests under way until they end', async (t) => {
  let held: ServerResponse | undefined
  const a = await startUpstream(t, (req, res) => {
    if (req.url !== '/stream') res.end('A')
    else (held = res.writeHead(200, { 'content-type': 'text/event-stream' })).write('data: first\n\n')
  })
  const tunnels: Socket[] = []
  a.server.on('upgrade', (_req: IncomingMessage, socket: Socket) => {
    tunnels.push(socket)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  })
  const b = await startNamed(t, 'B')
  const gateway = await startGateway(t, { upstream: at(a.url, b.url), upstreams: { balance: 'least-connections' } })
  const streaming = connect(gateway.port, '127.0.0.1')
  streaming.write(requestText('/stream'))
  await once(streaming, 'data')
  t.equal(await whoAnswers(gateway, 3), 'BBB')
  held?.end()
  await once(streaming, 'close')
  t.match(await whoAnswers(gateway, 4), /A.*A/)

  const upgrade = ['upgrade: websocket', 'connection: upgrade', 'sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', 'origin: https://app.example.com']
  const clients: Socket[] = []
  while (tunnels.length === 0) {
    const client = connect(gateway.port, '127.0.0.1').on('error', () => {})
    client.write(requestText('/socket', { headers: upgrade }))
    await once(client, 'data')
    clients.push(client)
  }
  t.equal(await whoAnswers(gateway, 3), 'BBB')
  for (const client of clients) client.destroy()
  while (await whoAnswers(gateway, 1) !== 'A') await turn()
  t.pass('the tunnel has ended, and it gets its share again')
})

t.test('a server without a connection is passed over, for every method, and told once; it comes back when its time is over', async (t) => {
  const a = await startStopped(t, 'A')
  const b = await startUpstream(t, (req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => { body += chunk.toString() }).on('end', () => res.end(`B${body}`))
  })
  const gateway = await startGateway(t, { upstream: at(a.url, b.url), logLevel: 'info', upstreams: { slowStartSeconds: 10 } })
  for (const method of ['POST', 'GET', 'DELETE']) {
    gateway.clock.advance(60_000)
    const chunked = requestText('/a', { method, headers: ['transfer-encoding: chunked'] }) + '4\r\nbody\r\n0\r\n\r\n'
    const before = b.seen.length
    t.match(await talk(gateway.port, chunked), /^HTTP\/1.1 200 [^]*Bbody/, method)
    t.equal(b.seen.length, before + 1)
    t.equal(await whoAnswers(gateway, 2), 'BB')
  }
  const out = { event: 'upstream.server-out', level: 40, upstream: a.url.origin, because: 'unreachable', code: 'ECONNREFUSED' }
  t.match(linesOf(gateway), [out])
  t.equal(linesOf(gateway).length, 1, 'not for each try')

  await a.start()
  gateway.clock.advance(3_999)
  t.equal(await whoAnswers(gateway, 3), 'BBB', 'its third wait is four seconds')
  gateway.clock.advance(1)
  t.equal(await whoAnswers(gateway, 1), 'A')
  t.match(linesOf(gateway), [out, { event: 'upstream.server-back', level: 30, upstream: a.url.origin }])
  t.match((await whoAnswers(gateway, 22)).replaceAll('B', ''), /^A{1,3}$/, 'it starts slowly')
  gateway.clock.advance(10_000)
  t.equal((await whoAnswers(gateway, 20)).replaceAll('B', '').length, 10)
  t.equal(linesOf(gateway).length, 2)
})

t.test('T-41 C-48 an answer is an answer, whatever it says: 503 with Retry-After is one call', async (t) => {
  const busy = (_req: IncomingMessage, res: ServerResponse): unknown => res.writeHead(503, { 'retry-after': '120' }).end()
  const [a, b] = await Promise.all([startUpstream(t, busy), startUpstream(t, busy)])
  const gateway = await startGateway(t, { upstream: at(a.url, b.url) })
  for (const method of ['GET', 'HEAD', 'PUT', 'POST']) {
    const before = a.seen.length + b.seen.length
    t.match(await talk(gateway.port, requestText('/a', { method })), /^HTTP\/1.1 503 [^]*retry-after: 120/)
    t.equal(a.seen.length + b.seen.length, before + 1, method)
  }
  for (const { seen } of [a, b]) t.equal(seen.length, 2)
  t.strictSame(linesOf(gateway), [], 'and puts nobody out')
})

t.test('T-41 C-48 a request that a server had begun to get goes to no other; three lost in a row set it aside', async (t) => {
  for (const [what, react] of [
    ['closes', (socket) => socket.end()], ['resets', (socket) => socket.resetAndDestroy()], ['answers rubbish', (socket) => socket.end('rubbish\r\n\r\n')],
    ['stops in its headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
  ] as [string, (socket: Socket) => void][]) {
    let lost = 0
    const bad = await startRawUpstream(t, (socket) => socket.once('data', () => {
      lost++
      react(socket)
    }))
    const good = await startNamed(t, 'B')
    const gateway = await startGateway(t, { upstream: at(bad, good.url) })
    for (const [index, [method, body]] of ([['GET', ''], ['POST', 'body'], ['DELETE', '']] as const).entries()) {
      t.match(await talk(gateway.port, requestText('/a', { method, body })), /^HTTP\/1.1 502 [^]*GW_UPSTREAM_LOST/, `${what}, ${method}`)
      t.strictSame([lost, good.seen.length], [index + 1, index], 'one call')
      t.equal(await whoAnswers(gateway, 1), 'B')
    }
    t.equal(await whoAnswers(gateway, 4), 'BBBB', what)
    t.match(linesOf(gateway), [{ event: 'upstream.server-out', upstream: bad.origin, because: 'connections-lost' }])
    gateway.clock.advance(1_000)
    t.equal(await whoAnswers(gateway, 3), '(502)BB', 'one request tries it')
    gateway.clock.advance(1_999)
    t.equal(await whoAnswers(gateway, 2), 'BB')
    t.equal(linesOf(gateway).length, 1)
  }
})

t.test('what clients break off is not the servers\' doing', async (t) => {
  const [a, b] = await Promise.all([startNamed(t, 'A'), startNamed(t, 'B')].map(async (upstream) => {
    const { url, server } = await upstream
    server.removeAllListeners('request').on('request', (req: IncomingMessage, res: ServerResponse) => {
      if (req.url === '/a') res.end('ok')
      else req.on('error', () => {}).once('close', () => { server.emit('broken') }).once('data', () => { server.emit('begun') })
    })
    return { url, server }
  }))
  if (a === undefined || b === undefined) throw new Error('two servers')
  const gateway = await startGateway(t, { upstream: at(a.url, b.url) })
  for (let round = 0; round < 8; round++) {
    const { server } = round % 2 === 0 ? a : b
    const [begun, broken] = [once(server, 'begun'), once(server, 'broken')]
    const client = connect(gateway.port, '127.0.0.1').on('error', () => {})
    client.write(`POST /upload HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}\r\ncontent-length: 100\r\n\r\npart`)
    await begun
    client.destroy()
    await broken
  }
  t.equal(await whoAnswers(gateway, 4), 'okokokok')
  t.strictSame(linesOf(gateway), [])
})

t.test('when all are set aside, all are tried, each once', async (t) => {
  const [a, b] = await Promise.all([startStopped(t, 'A'), startStopped(t, 'B')])
  const gateway = await startGateway(t, { upstream: at(a.url, b.url) })
  t.match(await talk(gateway.port, requestText('/a', { method: 'POST', body: 'x' })), /^HTTP\/1.1 502 [^]*GW_UPSTREAM_UNREACHABLE/)
  t.strictSame(linesOf(gateway).map(({ upstream }) => upstream), [a.url.origin, b.url.origin])
  await b.start()
  gateway.clock.advance(1)
  t.equal(await whoAnswers(gateway, 3), 'BBB', 'before their time is over')
  t.equal(linesOf(gateway).length, 2)
})

/** Servers whose answer to the health path the test decides, and a clock that it turns. */
async function startChecked (t: Test, slowStartSeconds: number) {
  const clock = new ManualClock()
  const manual = new ManualSchedule(clock)
  const status = new Map([['A', 200], ['B', 204]])
  const plan = { rounds: 0, made: 0 }
  const start = (name: string): Promise<RecordingUpstream> => startUpstream(t, (req, res) => {
    if (req.url === '/healthz?full') res.statusCode = status.get(name) ?? 0
    res.end(name)
  })
  const servers = await Promise.all([start('A'), start('B')])
  const gateway = await startGateway(t, {
    clock,
    logLevel: 'info',
    upstream: at(...servers.map(({ url }) => url)),
    upstreams: {
      healthPath: '/healthz?full',
      healthIntervalSeconds: 5,
      slowStartSeconds,
      schedule: (milliseconds, run) => {
        plan.made++
        return manual.schedule(milliseconds, run)
      },
    },
  })
  /** Until both have been checked so often. */
  async function check (times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      if (plan.rounds > 0) manual.advance(5_000)
      plan.rounds++
      while (plan.made < 2 * plan.rounds) await turn()
    }
  }
  return { gateway, manual, clock, status, servers, check }
}

t.test('checks: three bad ones take a server out, two good ones bring it back, slowly', async (t) => {
  const { gateway, manual, clock, status, servers, check } = await startChecked(t, 10)
  const shareOfA = async (requests: number): Promise<number> => (await whoAnswers(gateway, requests)).replaceAll('B', '').length
  await check(1)
  t.strictSame(servers.map(({ seen }) => seen.map(({ target }) => target)), [['/healthz?full'], ['/healthz?full']], 'from the start')
  t.notMatch(servers[0]?.seen[0]?.rawHeaders.join(), /identity|forwarded|cookie/i, 'for nobody in particular')
  status.set('A', 500)
  await check(2)
  t.equal(await shareOfA(4), 2)
  await check(1)
  t.match(linesOf(gateway), [{ event: 'upstream.server-out', upstream: servers[0]?.url.origin, because: 'checks' }])
  clock.advance(600_000)
  t.equal(await shareOfA(4), 0, 'no request tries it meanwhile')
  status.set('A', 302)
  await check(1)
  t.equal(await shareOfA(4), 0)
  await check(1)
  t.match(linesOf(gateway).at(-1), { event: 'upstream.server-back', upstream: servers[0]?.url.origin })
  t.equal(await shareOfA(22), 2)
  await check(2)
  t.equal(await shareOfA(22), 11)

  for (const { server } of servers) server.closeAllConnections()
  servers[0]?.server.close()
  await check(3)
  t.equal(await whoAnswers(gateway, 2), 'BB', 'who doesn\'t answer at all is as bad')
  t.equal(linesOf(gateway).length, 3)
  await gateway.app.close()
  t.equal(manual.next, undefined, 'none after the end')
})

t.test('checks that are all bad take nobody\'s application away', async (t) => {
  const { gateway, status, check } = await startChecked(t, 0)
  status.set('A', 404).set('B', 404)
  await check(3)
  t.equal(linesOf(gateway).length, 2)
  t.equal(await whoAnswers(gateway, 4), 'ABAB')
})

t.test('a route\'s own time for an answer, at the same server', async (t) => {
  const arrivals: ServerResponse[] = []
  const upstream = await startUpstream(t, (_req, res) => { arrivals.push(res) })
  const gateway = await startGateway(t, { upstream: upstream.url, routes: [{ ...anyRule, path: '/quick', timeoutSeconds: 0.05 }] })
  const patient = talk(gateway.port, requestText('/a'))
  while (arrivals.length === 0) await turn()
  t.match(await talk(gateway.port, requestText('/quick')), /^HTTP\/1.1 504 [^]*GW_UPSTREAM_TIMEOUT/)
  arrivals[0]?.end('A')
  t.match(await patient, /^HTTP\/1.1 200 /)
})

t.test('a connection that doesn\'t come about in the route\'s time is given up; another server is tried if there is time left', async (t) => {
  const dialled: Socket[] = []
  const silent = await startRawUpstream(t, (socket) => { dialled.push(socket) })
  const good = await startNamed(t, 'B')
  const gateway = await startGateway(t, { upstream: [{ origin: `https://127.0.0.1:${silent.port}` }, ...at(good.url)], upstreamTimeoutSeconds: 0.05 })
  const begunAt = performance.now()
  t.equal(await whoAnswers(gateway, 1), 'B')
  t.ok(performance.now() - begunAt < 9_000, 'not undici\'s ten seconds')
  t.match(linesOf(gateway), [{ because: 'unreachable', code: 'UND_ERR_CONNECT_TIMEOUT' }])
  gateway.clock.advance(1_000)
  const answer = whoAnswers(gateway, 1)
  while (dialled.length < 2) await turn()
  gateway.clock.advance(50)
  t.equal(await answer, '(502)', 'the time is up')
  t.equal(good.seen.length, 1)
})

const pem = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8')

async function startTls (t: Test, options: ServerOptions): Promise<string> {
  const server = createTlsServer({ key: pem('server-key'), ...options }, (_req, res) => res.end('secure')).on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return String((server.address() as AddressInfo).port)
}

t.test('C-47 a server is believed by its certificate only, whatever the environment says', async (t) => {
  const ask = async (certificate: string, authorities: string | undefined, { host = 'localhost', ...options }: ServerOptions & { host?: string } = {}): Promise<string> => {
    const port = await startTls(t, { cert: pem(certificate), ...options })
    // Behind a server that isn't there, so that the reason is told.
    const gateway = await startGateway(t, { upstream: [{ origin: `https://${host}:${port}` }, { origin: 'http://127.0.0.1:1' }], upstreams: { authorities } })
    // Twice: a session must not be resumed with somebody who was refused.
    const answers = await whoAnswers(gateway, 2)
    await gateway.app.close()
    return answers === 'securesecure' ? 'secure' : `${answers} ${String(linesOf(gateway)[0]?.['code'])}`
  }
  const ours = pem('authority')
  const judge = async (what: string): Promise<void> => {
    t.equal(await ask('localhost', ours), 'secure', what)
    t.equal(await ask('localhost', undefined), '(502)(502) UNABLE_TO_VERIFY_LEAF_SIGNATURE', what)
    t.equal(await ask('self-signed', ours), '(502)(502) DEPTH_ZERO_SELF_SIGNED_CERT', what)
    t.equal(await ask('expired', ours), '(502)(502) CERT_HAS_EXPIRED', what)
    t.equal(await ask('wrong-name', ours), '(502)(502) ERR_TLS_CERT_ALTNAME_INVALID', what)
    t.equal(await ask('wrong-name', ours, { maxVersion: 'TLSv1.2' }), '(502)(502) ERR_TLS_CERT_ALTNAME_INVALID', what)
    t.equal(await ask('localhost', ours, { host: '127.0.0.1' }), '(502)(502) ERR_TLS_CERT_ALTNAME_INVALID', what)
  }
  await judge('as it is')
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  })
  await judge('NODE_TLS_REJECT_UNAUTHORIZED=0')

  // Where the system's own rules would allow it: only ours refuses then.
  const { DEFAULT_CIPHERS, DEFAULT_MIN_VERSION } = tls
  t.teardown(() => { Object.assign(tls, { DEFAULT_CIPHERS, DEFAULT_MIN_VERSION }) })
  Object.assign(tls, { DEFAULT_CIPHERS: 'DEFAULT:@SECLEVEL=0', DEFAULT_MIN_VERSION: 'TLSv1' })
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: tls.DEFAULT_CIPHERS } as const
  t.match(await ask('localhost', ours, old), /^\(502\)\(502\) ERR_SSL_/, 'TLS 1.1')
})

t.test('C-47 a server that asks for a client certificate gets the configured one', async (t) => {
  const port = await startTls(t, { cert: pem('localhost'), ca: pem('authority'), requestCert: true, rejectUnauthorized: true })
  const authorities = pem('authority')
  const upstream = [{ origin: `https://localhost:${port}` }]
  const without = await startGateway(t, { upstream, upstreams: { authorities } })
  // In TLS 1.3 the server says no after the client's first words.
  t.match(await talk(without.port, requestText('/a')), /^HTTP\/1.1 502 [^]*GW_UPSTREAM_LOST/)
  const stranger = await startGateway(t, { upstream, upstreams: { authorities, certificate: pem('self-signed'), key: new Secret(pem('server-key')) } })
  t.match(await talk(stranger.port, requestText('/a')), /^HTTP\/1.1 502 [^]*GW_UPSTREAM_LOST/)
  const known = await startGateway(t, { upstream, upstreams: { authorities, certificate: pem('localhost'), key: new Secret(pem('server-key')) } })
  t.equal(await whoAnswers(known, 2), 'securesecure')
})

t.test('a unix socket, alone and beside others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socketPath = join(folder, 'app.sock')
  const hosts: string[][] = []
  const server = createHttpServer((req, res) => {
    hosts.push(valuesOf(req.rawHeaders, 'host'))
    res.end('U')
  }).listen(socketPath)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = { origin: 'http://localhost', socketPath }
  const alone = await startGateway(t, { upstream: [address] })
  t.equal(await whoAnswers(alone, 2), 'UU')
  t.strictSame(hosts[0], ['localhost'])
  const gone = { origin: 'http://localhost', socketPath: join(folder, 'gone.sock') }
  const gateway = await startGateway(t, { upstream: [gone, address] })
  t.equal(await whoAnswers(gateway, 3), 'UUU')
  t.match(linesOf(gateway), [{ upstream: `unix:${gone.socketPath}`, because: 'unreachable', code: 'ENOENT' }])
})

t.test('what docs/upstreams.md says to write is a configuration', async (t) => {
  const manual = readFileSync(new URL('../../docs/upstreams.md', import.meta.url), 'utf8')
  const [yaml = '', variables = ''] = [...manual.matchAll(/^```(?:yaml|sh)\n(.*?)^```/gms)].map(([, text]) => text)
  const files: Record<string, string> = {
    '/srv/jointgate.yaml': yaml,
    '/etc/jointgate/authority.pem': pem('authority'),
    '/etc/jointgate/gateway.pem': pem('localhost'),
    '/run/secrets/gateway-key': pem('server-key'),
  }
  const load = (env: Record<string, string>) => loadConfig({
    env: { JOINTGATE_SECRET_KEYS: randomBytes(32).toString('base64'), JOINTGATE_APP_ID: 'app-1', JOINTGATE_PUBLIC_URL: 'https://app.example.com', ...env },
    cwd: '/srv',
    readFile: (path) => files[path] ?? '',
  })
  t.match(load({ JOINTGATE_CONFIG: '/srv/jointgate.yaml' }), {
    config: {
      application: { upstream: at({ origin: 'http://10.0.0.1:3000' }, { origin: 'http://10.0.0.2:3000' }) },
      upstream: { balance: 'least-connections', healthPath: '/healthz' },
      routes: [{ upstream: at({ origin: 'https://reports.internal:8443' }), timeoutSeconds: 300 }],
    },
  })
  const written = variables.trim().split('\n').map((line) => line.split('=', 2) as [string, string])
  t.match(load(Object.fromEntries(written)), {
    config: {
      application: { upstream: at({ origin: 'https://app.internal:8443' }) },
      upstream: { authorities: /BEGIN/, certificate: /BEGIN/, key: Secret },
    },
  })
})
