import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { faults } from '../../src/base/coded-errors.ts'
import type { InstanceId, TenantId } from '../../src/directory/model.ts'
import { EventBoundary } from '../../src/forward/event-boundary.ts'
import { openLiveStreams, type LiveStream, type StreamEnd } from '../../src/forward/live-streams.ts'
import type { Recheck } from '../../src/session/authenticate.ts'
import type { Authentication } from '../../src/session/authentication.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import { sessionRefOf, type SessionRef } from '../../src/session/session.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import { anySession } from '../support/any-session.ts'
import type { Browser } from '../support/browser.ts'
import { appId, openTestGateway, wireAccount, type TestGateway } from '../support/build-gateway.ts'
import { openFakeAuthorizationServer } from '../support/fake-authorization-server.ts'
import { sessionCookie, startGateway } from '../support/forward-gateway.ts'
import { createPush, statusPush } from '../support/instance-pushes.ts'
import { accountsPush } from '../support/directory-pushes.ts'
import { lihua, storedSession, until } from '../support/signed-in.ts'
import { openSessionHouse } from '../support/session-house.ts'
import { dialWebSocket, openLiveUpstream, type WebSocketClient } from '../support/web-socket.ts'

const second = 1000

class FakeStream implements LiveStream {
  readonly session: LiveStream['session']
  readonly isEndless: boolean
  readonly ends: StreamEnd[] = []

  /** @param ref `undefined`: on a public path */
  constructor (ref: string | undefined, tenantId = 'tenant-1', isEndless = true) {
    this.session = ref === undefined ? undefined : anySession({ ref: ref as SessionRef, tenantId: tenantId as TenantId })
    this.isEndless = isEndless
  }

  end (reason: StreamEnd): void {
    this.ends.push(reason)
  }
}

/** Streams whose sessions the test judges itself; time is the test's, too. */
function openStreams (t: Test, answers: Map<string, () => Promise<Authentication>> = new Map()) {
  mock.timers.enable({ apis: ['setInterval'] })
  const changes = createChangeFeed()
  const asked: string[] = []
  const unjudged: unknown[] = []
  const allow: Authentication = { kind: 'allow', session: anySession(), principal: {} as never }
  const recheck: Recheck = ({ ref }) => {
    asked.push(ref)
    return answers.get(ref)?.() ?? Promise.resolve(allow)
  }
  const streams = openLiveStreams({ changes, recheck, onUnjudged: (error) => { unjudged.push(error) } })
  t.teardown(() => {
    streams.close()
    mock.timers.reset()
  })
  const settled = async (): Promise<void> => { for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate) }
  return { changes, asked, unjudged, streams, answers, settled, allow }
}

t.test('a change that is told of is looked into at once, by those whom it concerns', async (t) => {
  const { changes, asked, streams, settled } = openStreams(t)
  for (const ref of ['a', 'b', 'b']) streams.add(new FakeStream(ref))
  for (const [ref, isEndless] of [['c', true], ['d', false]] as const) streams.add(new FakeStream(ref, 'tenant-2', isEndless))
  t.equal(streams.size, 5)
  t.strictSame(asked.splice(0), ['a', 'b', 'c'], 'a tunnel is judged as it opens: the application may have taken its time')
  await settled()
  t.strictSame(asked.splice(0), ['b'], 'the second tunnel came while the session was judged: once more')
  await settled()
  const tell = async (change: Parameters<typeof changes.tell>[0]): Promise<string[]> => {
    changes.tell(change)
    const now = asked.splice(0)
    await settled()
    return now
  }
  t.strictSame(await tell({ kind: 'tenant', realm: 'production', tenantId: 'tenant-1' as TenantId }), ['a', 'b'], 'one judgement a session')
  t.strictSame(await tell({ kind: 'tenant', realm: 'production', tenantId: 'tenant-2' as TenantId }), ['c', 'd'], 'a response that has just begun is one of them')
  t.strictSame(await tell({ kind: 'tenant', realm: 'test', tenantId: 'tenant-1' as TenantId }), [])
  t.strictSame(await tell({ kind: 'instance', realm: 'production', instanceId: 'i' as InstanceId }), ['a', 'b', 'c', 'd'], 'whose it is only the store knows')
  t.strictSame(await tell({ kind: 'session', ref: 'b' as SessionRef }), ['b'])
  t.strictSame(await tell({ kind: 'session', ref: 'other' as SessionRef }), [])
  t.strictSame(await tell({ kind: 'anything' }), ['a', 'b', 'c', 'd'])
  streams.close()
  t.strictSame(await tell({ kind: 'anything' }), [], 'nobody listens any more')
})

t.test('a change during a judgement is judged again: the answer may not know of it', async (t) => {
  const { changes, asked, streams, answers, settled, allow } = openStreams(t)
  let answer = (_: Authentication): void => {}
  answers.set('a', () => new Promise((resolve) => { answer = resolve }))
  const stream = new FakeStream('a')
  streams.add(stream)
  const change = { kind: 'session', ref: 'a' as SessionRef } as const
  changes.tell(change)
  changes.tell(change)
  t.equal(asked.length, 1)
  answer(allow)
  await settled()
  t.equal(asked.length, 2, 'once more, however many changes there were')
  answer({ kind: 'login', because: 'session-unknown' })
  await settled()
  t.strictSame(stream.ends, ['session-ended'])
  t.equal(streams.size, 0)
})

t.test('who leaves twice takes nobody along who came for the same session meanwhile', async (t) => {
  const { asked, streams, settled } = openStreams(t)
  const place = streams.add(new FakeStream('a'))
  place.leave()
  streams.add(new FakeStream('a'))
  await settled()
  place.leave()
  t.equal(streams.size, 1)
  asked.splice(0)
  mock.timers.tick(250)
  t.strictSame(asked, ['a'], 'the one that is open is judged on')
})

t.test('a request that was answered is not among those under way any more', async (t) => {
  const upstream = createServer((_request, response) => { response.end('done') }).listen(0, '127.0.0.1')
  t.teardown(() => upstream.close())
  await once(upstream, 'listening')
  const changes = createChangeFeed()
  const asked: string[] = []
  const gateway = await startGateway(t, {
    upstream: new URL(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`),
    changes,
    recheck: async ({ ref }) => {
      asked.push(ref)
      return { kind: 'login', because: 'session-unknown' }
    },
  })
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/`, { headers: { cookie: sessionCookie } })
  t.equal(await answer.text(), 'done')
  await new Promise(setImmediate)
  changes.tell({ kind: 'anything' })
  t.strictSame(asked, [])
})

t.test('short responses cost a look at nothing; the longer ones and tunnels are judged four times a second', async (t) => {
  const { asked, streams, answers, settled } = openStreams(t)
  const short = new FakeStream('short', 'tenant-1', false)
  const long = new FakeStream('long', 'tenant-1', false)
  const twin = new FakeStream('long', 'tenant-1', false)
  const [shortPlace] = [short, long, twin].map((stream) => streams.add(stream))
  shortPlace?.leave()
  t.strictSame(asked, [])
  for (let tick = 0; tick < 4; tick++) {
    mock.timers.tick(250)
    await settled()
  }
  t.strictSame(asked.splice(0), ['long', 'long', 'long', 'long'])
  answers.set('long', () => Promise.resolve({ kind: 'login', because: 'session-idle' }))
  mock.timers.tick(250)
  await settled()
  t.strictSame([short.ends, long.ends, twin.ends], [[], ['session-idle'], ['session-idle']])
  mock.timers.tick(250)
  t.strictSame(asked, ['long'], 'nobody is judged who has nothing open')
})

t.test('C-35 a store that is away ends nothing at once, and after five seconds without a judgement what is open ends', async (t) => {
  const { asked, unjudged, streams, answers, settled, allow } = openStreams(t)
  const fault = new faults.StorageUnavailable()
  const [failing, hanging, saved] = [new FakeStream('failing'), new FakeStream('hanging'), new FakeStream('saved')]
  answers.set('failing', () => Promise.reject(fault)).set('hanging', () => new Promise(() => {})).set('saved', () => Promise.reject(fault))
  for (const stream of [failing, hanging, saved]) streams.add(stream)
  for (let tick = 0; tick < 20; tick++) {
    if (tick === 18) answers.set('saved', () => Promise.resolve(allow))
    mock.timers.tick(250)
    await settled()
  }
  t.strictSame([failing.ends, hanging.ends, saved.ends], [[], [], []])
  t.equal(asked.filter((ref) => ref === 'hanging').length, 1, 'what hangs is not asked a second time')
  mock.timers.tick(250)
  await settled()
  t.strictSame([failing.ends, hanging.ends, saved.ends], [['storage-unavailable'], ['storage-unavailable'], []])
  t.strictSame(unjudged, [fault, undefined])
})

t.test('C-35 a WebSocket that nobody could judge for five seconds is told to try again later', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => { mock.timers.reset() })
  const upstream = await openLiveUpstream(t)
  let failures = 0
  const gateway = await startGateway(t, {
    upstream: new URL(upstream.url),
    recheck: () => {
      failures++
      return Promise.reject(new faults.StorageUnavailable())
    },
  })
  const client = await dialWebSocket(`http://127.0.0.1:${gateway.port}`, { cookie: sessionCookie, origin: 'https://app.example.com' })
  t.equal(client.status, 101)
  for (let check = 1; check <= 20; check++) {
    mock.timers.tick(250)
    await until(() => failures > check)
  }
  client.send('still here')
  t.equal((await client.next()).payload.toString(), 'still here')
  mock.timers.tick(250)
  t.equal(await client.closed(), '1013 storage-unavailable')
})

t.test('a gateway that stops ends what has no end of its own, then and later', async (t) => {
  const { streams } = openStreams(t)
  const streamsOf = (isEndless: boolean): FakeStream[] => ['a', undefined].map((ref) => new FakeStream(ref, 'tenant-1', isEndless))
  const [tunnels, responses, late] = [streamsOf(true), streamsOf(false), streamsOf(true)]
  for (const stream of [...tunnels, ...responses]) streams.add(stream)
  streams.endEndless()
  for (const stream of late) streams.add(stream)
  const closed = [['gateway-closing'], ['gateway-closing']]
  t.strictSame([tunnels, responses, late].map((some) => some.map(({ ends }) => ends)), [closed, [[], []], closed])
})

t.test('the end of an event is found however the bytes are cut', async (t) => {
  const isWhole = (text: string, step: number): boolean => {
    const boundary = new EventBoundary()
    for (let at = 0; at < text.length; at += step) boundary.see(Buffer.from(text.slice(at, at + step)))
    return boundary.isHere
  }
  for (const step of [1, 2, 3, 100]) {
    for (const whole of ['', 'data: a\n\n', 'data: a\r\n\r\n', 'data: a\r\r', ': ping\n\n', 'data: a\n\r\n']) t.ok(isWhole(whole, step), JSON.stringify(whole))
    for (const part of ['d', 'data: a', 'data: a\n', 'data: a\r\n', 'data: a\n\nid', 'data: a\n\n:', 'data: a\n\ndata: b\r\n']) t.notOk(isWhole(part, step), JSON.stringify(part))
  }
})

/** A response that is read to its end, whole or not. */
async function openStream (gateway: Pick<TestGateway, 'url'>, path: string, cookie: string) {
  const asked = httpRequest(`${gateway.url}${path}`, { headers: { cookie, accept: 'text/event-stream' }, agent: false })
  asked.end()
  const [response] = await once(asked, 'response') as [IncomingMessage]
  let text = ''
  response.on('data', (chunk: Buffer) => { text += chunk.toString() })
  const over = new Promise<'whole' | 'broken off'>((resolve) => {
    response.on('error', () => {})
    response.on('close', () => { resolve(response.complete ? 'whole' : 'broken off') })
  })
  return { status: response.statusCode, over, text: () => text, leave: () => { response.destroy() } }
}

const events = (first = 'data: hello\n\n') => (_request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  response.write(first)
}

let tenants = 0

interface Person { readonly tenantId: string, readonly instanceId: string, readonly browser: Browser, readonly cookie: string }

/** A new enterprise, so that what happens to it happens to nobody else, and a browser in which `lihua` is signed in. */
async function signInToNew (t: Test, gateway: TestGateway): Promise<Person> {
  const tenantId = `tenant-${++tenants}`
  const instanceId = `instance-of-${tenantId}`
  const server = await openFakeAuthorizationServer(t)
  await gateway.bind({ tenantId, domainName: server.url, accounts: [{ userName: 'lihua', name: '李华' }] }, instanceId)
  const browser = gateway.browser()
  await browser.submit('/_gate/sign-in', { return_to: '/' })
  await browser.open(`/_gate/callback?code=${server.issueCode({ ...lihua, tenant: tenantId })}&tenant=${tenantId}`, { headers: { 'sec-fetch-site': 'cross-site' } })
  if (!browser.cookies.has(cookieNames.session)) throw new Error('not signed in')
  return { tenantId, instanceId, browser, cookie: browser.cookieHeader() }
}

t.test('T-36 C-27 C-43 whatever takes the session away closes its WebSockets and event streams with the reason', async (t) => {
  const upstream = await openLiveUpstream(t)
  const gateway = await openTestGateway(t, { upstream })
  const { directory, sessions } = gateway.storage
  const lists = (flag: number, more = {}) => ({ tenantId, instanceId }: Person) => gateway.push('authSync', {
    tenantId, appId, instanceId, flag, userList: [wireAccount({ userName: 'lihua', ...more })],
  })
  const refOf = ({ browser }: Person): SessionRef => sessionRefOf(browser.cookies.get(cookieNames.session) ?? '')
  const losses: [what: string, lose: (person: Person) => Promise<unknown>, reason: StreamEnd][] = [
    ['grant taken back (flag 3)', lists(3), 'authorisation-withdrawn'],
    ['left the enterprise (flag 0)', lists(0), 'authorisation-withdrawn'],
    ['switched off', lists(2, { enable: 'false' }), 'account-disabled'],
    ['enterprise closed', ({ tenantId, instanceId }) => gateway.push('tenantSync', { tenantId, instanceId, flag: 0 }), 'tenant-closed'],
    ['application unbound', ({ tenantId, instanceId }) => gateway.push('applicationSync', { tenantId, appId, instanceId, flag: 0 }), 'binding-missing'],
    ['purchase frozen', async ({ instanceId }) => {
      await directory.commit(createPush(instanceId, gateway.clock.now() + 1))
      await directory.commit(statusPush(instanceId, gateway.clock.now() + 2, 'frozen'))
    }, 'instance-frozen'],
    ['signed out', ({ browser }) => browser.submit('/_gate/sign-out'), 'session-ended'],
    ['ended by an administrator', (person) => sessions.end(refOf(person)), 'session-ended'],
  ]
  const bystander = await signInToNew(t, gateway)
  upstream.answer = events()
  const kept = await dialWebSocket(gateway.url, { cookie: bystander.cookie })
  const keptEvents = await openStream(gateway, '/events', bystander.cookie)
  for (const [what, lose, reason] of losses) {
    const person = await signInToNew(t, gateway)
    upstream.answer = events()
    const sockets = await Promise.all([1, 2].map(() => dialWebSocket(gateway.url, { cookie: person.cookie })))
    const stream = await openStream(gateway, '/events', person.cookie)
    upstream.answer = events('data: hello\n\ndata: not yet wh')
    const half = await openStream(gateway, '/events', person.cookie)
    upstream.answer = (_request, response) => { response.writeHead(200, { 'content-length': 1_000_000 }).write('begun') }
    const download = await openStream(gateway, '/file', person.cookie)
    await until(() => [stream, half].every(({ text }) => text().includes('hello')) && download.text() === 'begun')
    const startedAt = performance.now()
    await lose(person)
    for (const socket of sockets) t.equal(await socket.closed(), `1008 ${reason}`, what)
    t.equal(await stream.over, 'broken off', `${what}: the events`)
    t.equal(stream.text(), `data: hello\n\nevent: jointgate-session-ended\ndata: ${reason}\n\n`)
    t.equal(await half.over, 'broken off')
    t.equal(half.text(), 'data: hello\n\ndata: not yet wh', 'an event that is not whole is not made to look so')
    t.equal(await download.over, 'broken off', 'a download too')
    t.ok(performance.now() - startedAt < second, `${what}: ${Math.round(performance.now() - startedAt)} ms`)
    t.equal((await openStream(gateway, '/events', person.cookie)).status, 401, 'EventSource, connecting again, is told')
    t.equal((await dialWebSocket(gateway.url, { cookie: person.cookie })).status, 401)
    await until(() => upstream.sockets.size === 1)
  }
  kept.send('still here')
  t.equal((await kept.next()).payload.toString(), 'still here', 'another enterprise\'s goes on')
  t.match(gateway.logLines.join(''), /"event":"forward.stream-ended","stream":"web-socket","reason":"instance-frozen","sessionRef":"[\w-]{8}"/)
  t.notMatch(gateway.logLines.join(''), bystander.browser.cookies.get(cookieNames.session) ?? 'none')
  kept.socket.destroy()
  keptEvents.leave()
})

t.test('C-23 limits in time end what is open: idle, absolute, the contract\'s; traffic and re-checks are no sign of life', async (t) => {
  const upstream = await openLiveUpstream(t)
  const gateway = await openTestGateway(t, { upstream, env: { JOINTGATE_CONTRACT_GRACE_DAYS: '0' } })
  const { clock } = gateway
  const { sessions } = gateway.storage
  const find = sessions.find.bind(sessions)
  let finds = 0
  sessions.find = (ref) => {
    finds++
    return find(ref)
  }
  /** Waits until the gateway has looked at the time by itself. */
  const looked = async (): Promise<void> => {
    const before = finds
    await until(() => finds >= before + 2)
  }
  const talkOn = async (client: WebSocketClient): Promise<void> => {
    client.send('hello')
    t.equal((await client.next()).payload.toString(), 'hello')
  }

  const idle = await signInToNew(t, gateway)
  const busy = await dialWebSocket(gateway.url, { cookie: idle.cookie })
  const seenAt = (await storedSession(gateway, idle.cookie))?.lastSeenAt
  clock.advance(3_599 * second)
  await looked()
  await talkOn(busy)
  t.equal((await storedSession(gateway, idle.cookie))?.lastSeenAt, seenAt, 'a re-check is no sighting')
  clock.advance(second)
  t.equal(await busy.closed(), '1008 session-idle')

  const active = await signInToNew(t, gateway)
  const startedAt = clock.now()
  const long = await dialWebSocket(gateway.url, { cookie: active.cookie })
  while (clock.now() - startedAt < 43_200 * second - 1_800 * second) {
    clock.advance(1_800 * second)
    const before = clock.now()
    await active.browser.fetch('/')
    await until(async () => (await storedSession(gateway, active.cookie))?.lastSeenAt === before)
  }
  await talkOn(long)
  clock.advance(1_800 * second)
  t.equal(await long.closed(), '1008 session-expired', 'the absolute end, which no activity moves')

  const bought = await signInToNew(t, gateway)
  await gateway.storage.directory.commit(createPush(bought.instanceId, clock.now() + 1, { expiresAt: clock.now() + 60 * second }))
  const paid = await dialWebSocket(gateway.url, { cookie: bought.cookie })
  await looked()
  await talkOn(paid)
  clock.advance(61 * second)
  t.equal(await paid.closed(), '1008 instance-expired')
})

t.test('C-27 with each notification lost the hard bound is a second', async (t) => {
  const upstream = await openLiveUpstream(t)
  upstream.answer = events()
  const house = await openSessionHouse(t)
  const silent = { listen: () => () => {} }
  const gateway = await startGateway(t, {
    upstream: new URL(upstream.url), authenticate: house.authenticate, recheck: house.recheck, changes: silent,
  })
  const url = `http://127.0.0.1:${gateway.port}`
  const cookie = await house.signIn()
  const client = await dialWebSocket(url, { cookie, origin: 'https://app.example.com' })
  const stream = await openStream({ url }, '/events', cookie)
  t.equal(client.status, 101)
  await house.push(accountsPush(2, { change: 'revoke' }))
  const startedAt = performance.now()
  t.equal(await client.closed(), '1008 authorisation-withdrawn')
  t.equal(await stream.over, 'broken off')
  t.ok(performance.now() - startedAt < second, `${Math.round(performance.now() - startedAt)} ms`)
})

t.test('a gateway that stops doesn\'t wait for WebSockets and event streams, public ones among them, but for a response', async (t) => {
  const upstream = await openLiveUpstream(t)
  const gateway = await openTestGateway(t, { upstream, env: { JOINTGATE_ROUTES: '[{ path: /open, access: public }]' } })
  const { cookie } = await signInToNew(t, gateway)
  upstream.answer = events()
  const streams = [await openStream(gateway, '/events', cookie), await openStream(gateway, '/open/events', '')]
  const sockets = [await dialWebSocket(gateway.url, { cookie }), await dialWebSocket(gateway.url, { target: '/open/live' })]
  let finish = (): void => {}
  upstream.answer = (_request, response) => {
    response.write('first ')
    finish = () => { response.end('last') }
  }
  const response = await openStream(gateway, '/slow', cookie)
  await until(() => response.text() === 'first ')
  const closed = gateway.close()
  for (const { over, text } of streams) {
    t.equal(await over, 'broken off')
    t.equal(text(), 'data: hello\n\n', 'the session has not ended: EventSource goes to another gateway')
  }
  for (const socket of sockets) t.equal(await socket.closed(), '1001 gateway-closing')
  finish()
  t.equal(await response.over, 'whole')
  await closed
})

t.test('performance.md: to judge 1000 sessions with something open costs little', async (t) => {
  const house = await openSessionHouse(t)
  const now = house.clock.now()
  const times = { createdAt: now, endsAt: now + 43_200 * second, lastSeenAt: now, renewalDueAt: now + 7_000 * second }
  const tokens = { accessToken: 'access', refreshToken: 'refresh', expiresAt: now + 7_200 * second }
  const sessions = Array.from({ length: 1000 }, () => anySession({ ...times, tokens }))
  await Promise.all(sessions.map((session) => house.storage.sessions.create(session)))
  let judged = 0
  let allJudged = (): void => {}
  const round = (): Promise<void> => new Promise((resolve) => { allJudged = resolve })
  mock.timers.enable({ apis: ['setInterval'] })
  const streams = openLiveStreams({
    changes: createChangeFeed(),
    recheck: async (session) => {
      const authentication = await house.recheck(session)
      if (++judged % 1000 === 0) setImmediate(allJudged)
      return authentication
    },
    onUnjudged: () => {},
  })
  t.teardown(() => {
    streams.close()
    mock.timers.reset()
  })
  const open = sessions.map(({ ref }) => new FakeStream(ref))
  const opened = round()
  for (const stream of open) streams.add(stream)
  await opened
  const rounds: number[] = []
  for (let count = 0; count < 10; count++) {
    const over = round()
    const startedAt = process.cpuUsage()
    mock.timers.tick(250)
    await over
    const { user, system } = process.cpuUsage(startedAt)
    rounds.push((user + system) / 1000)
  }
  rounds.sort((a, b) => a - b)
  t.comment(`1000 sessions: median ${rounds[5]?.toFixed(1)} ms of CPU, worst ${rounds[9]?.toFixed(1)}`)
  t.ok((rounds[5] ?? Infinity) < 100, 'about 10 ms on a machine of one\'s own; others share this one')
  t.ok(open.every(({ ends }) => ends.length === 0))
})
