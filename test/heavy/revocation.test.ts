import { createPublicKey, randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { systemClock } from '../../src/base/clock.ts'
import { sha256 } from '../../src/base/digest.ts'
import { createRandomId } from '../../src/base/random-id.ts'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { Secret } from '../../src/base/secret.ts'
import type { InstanceId, TenantId, UserName } from '../../src/directory/model.ts'
import { sealClientSecret } from '../../src/push/signature/client-secret.ts'
import { signBaseV2 } from '../../src/push/signature/base-v2.ts'
import { cookieNames } from '../../src/session/cookies.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import { openRedisStorage } from '../../src/storage/redis/open-redis-storage.ts'
import { appId, productionKey, toPushTime, wireAccount } from '../support/build-gateway.ts'
import { openGatewayFleet, type GatewayFleet, type SignedPush } from '../support/gateway-fleet.ts'
import { openRedisConnection, openRedisServer, type RedisServer } from '../support/redis-server.ts'
import { openTcpFaultProxy } from '../support/tcp-fault-proxy.ts'

/*
 * Taking access away, measured at real gateway processes: from the moment at which the push was acknowledged until each of them has
 * turned away a person who was in a moment ago, and who asks on and on.
 */

const hardBoundMs = 1_000
const pauseMs = 8

interface Seen { readonly lastLetIn: number, readonly refusedAt: number }

/** A hand in the store of the fleet: people who are signed in without the way through the browser. */
async function openHouse (t: Test, fleet: GatewayFleet, redis: RedisServer) {
  const key = Buffer.from(fleet.env(0)['JOINTGATE_SECRET_KEYS'] ?? '', 'base64')
  const connection = openRedisConnection(t, redis, 'jointgate')
  const { sessions } = openRedisStorage(connection, new SealedBox([key]), systemClock)
  // What follows the acknowledgement is measured; how slow this machine's disk is before it, is not.
  await connection.reads.config('SET', 'appendfsync', 'no')
  await fleet.deliver(fleet.authSync(['template']))
  const pairs = (await fleet.signIn('template')).split('; ')
  const id = pairs.find((pair) => pair.startsWith(`${cookieNames.session}=`))?.split('=')[1] ?? ''
  const template = await sessions.find(sha256(id) as SessionRef)
  if (template === undefined) throw new Error('nobody is signed in')
  return {
    /** @returns the cookie header of a session as a sign-in makes it */
    async enter (userName: string, more: Partial<Session> = {}): Promise<string> {
      const id = createRandomId()
      await sessions.create({ ...template, userName: userName as UserName, ...more, ref: sha256(id) as SessionRef, revision: 1 })
      return `${cookieNames.session}=${id}`
    },
  }
}

/**
 * Each gateway has let the person in just now. Ms from the acknowledgement until a request sent to it was let in for the last time,
 * where one is sent every few ms: what the machine takes to answer is none of it.
 */
async function timesLetIn (t: Test, fleet: GatewayFleet, cookie: string, lose: () => Promise<unknown>): Promise<Seen[]> {
  const all = [...fleet.urls.keys()]
  t.same(await Promise.all(all.map((index) => fleet.visit(cookie, index))), all.map(() => 200), 'in everywhere')
  await lose()
  const acknowledgedAt = performance.now()
  return await Promise.all(all.map(async (index) => {
    const seen = { refusals: 0, lastLetIn: 0, refusedAt: Infinity }
    const ask = async (sentAt: number): Promise<void> => {
      const status = await fleet.visit(cookie, index)
      if (status === 401 || status === 403) {
        seen.refusals++
        seen.refusedAt = Math.min(seen.refusedAt, performance.now() - acknowledgedAt)
      }
      if (status === 200) seen.lastLetIn = Math.max(seen.lastLetIn, sentAt + pauseMs)
    }
    const asked: Promise<void>[] = []
    while (seen.refusals < 3) {
      const sentAt = performance.now() - acknowledgedAt
      if (sentAt > 5 * hardBoundMs) throw new Error('is still let in')
      asked.push(ask(sentAt))
      await new Promise((resolve) => { setTimeout(resolve, pauseMs) })
    }
    await Promise.all(asked)
    return seen
  }))
}

async function must (fleet: GatewayFleet, push: SignedPush, index = 0): Promise<void> {
  const code = await fleet.send(push, index)
  if (code !== '000000') throw new Error(`${push.name} was answered with ${code}`)
}

/** The share of the times that are at most as long as the answer. */
function quantile (times: readonly number[], share: number): number {
  return [...times].sort((a, b) => a - b)[Math.ceil(times.length * share) - 1] ?? Infinity
}

function describe (t: Test, what: string, times: readonly number[]): void {
  const [median, p99, most] = [0.5, 0.99, 1].map((share) => quantile(times, share).toFixed(1))
  t.comment(`${what}: median ${median} ms, p99 ${p99} ms, longest ${most} ms after the acknowledgement, ${times.length} times`)
}

t.test('C-27: of 10 000 sessions on three gateways those taken away are refused everywhere within a second; how soon is printed', { timeout: 240_000 }, async (t) => {
  const redis = await openRedisServer(t)
  const fleet = await openGatewayFleet(t, { count: 3, storage: () => ({ JOINTGATE_STORAGE: redis.url }) })
  const house = await openHouse(t, fleet, redis)
  const people = Array.from({ length: 10_000 }, (_, index) => `user-${index}`)
  for (const half of [people.slice(0, 5_000), people.slice(5_000)]) await fleet.deliver(fleet.authSync(half))
  const cookies: string[] = []
  for (let first = 0; first < people.length; first += 50) {
    cookies.push(...await Promise.all(people.slice(first, first + 50).map((userName) => house.enter(userName))))
  }

  // The others go on working meanwhile, at all gateways.
  const life = { isOver: false }
  const turnedAway: number[] = []
  const others = [5_000, 6_000, 7_000].map(async (offset) => {
    for (let turn = 0; !life.isOver; turn++) {
      const status = await fleet.visit(cookies[offset + turn % 1_000] ?? '', turn % 3)
      if (status !== 200) turnedAway.push(status)
      await new Promise((resolve) => { setTimeout(resolve, 10) })
    }
  })
  // Every round is told, whatever came out: the goal (p99 below 100 ms) is one for a quiet machine, the bound one for any.
  for (let round = 0; round < 3; round++) {
    const times: Seen[] = []
    for (let turn = round * 100; turn < round * 100 + 100; turn++) {
      const [userName = '', cookie = ''] = [people[turn], cookies[turn]]
      times.push(...await timesLetIn(t, fleet, cookie, () => must(fleet, fleet.authSync([userName], turn % 2 === 0 ? 3 : 0), turn % 3)))
    }
    describe(t, 'the last request that was let in was sent', times.map(({ lastLetIn }) => lastLetIn))
    describe(t, 'the first refusal was received', times.map(({ refusedAt }) => refusedAt))
    const longest = Math.max(...times.map(({ lastLetIn }) => lastLetIn))
    t.ok(longest < hardBoundMs, `round ${round}: longest ${longest.toFixed(0)} ms`)
  }
  life.isOver = true
  await Promise.all(others)
  t.same(turnedAway, [], 'nobody else is turned away')
})

t.test('C-27: with every notification lost each way of losing access counts everywhere within a second, for event streams too', { timeout: 240_000 }, async (t) => {
  const redis = await openRedisServer(t)
  const proxy = await openTcpFaultProxy(t, redis.port)
  const fleet = await openGatewayFleet(t, { count: 3, storage: () => ({ JOINTGATE_STORAGE: `redis://127.0.0.1:${proxy.port}` }) })
  const house = await openHouse(t, fleet, redis)
  fleet.upstream.answer = (request, response) => {
    if (request.url !== '/events') response.end('a page')
    else response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n')
  }
  const callBase = async (members: Record<string, string>): Promise<void> => {
    const body = JSON.stringify({ testFlag: '0', ...members })
    const query = new URLSearchParams({ ...signBaseV2(productionKey, body, randomBytes(16).toString('hex'), Date.now()) })
    const headers = { 'content-type': 'application/json' }
    const answer = await request(`${fleet.urls[0] ?? ''}/_gate/marketplace?${query}`, { method: 'POST', body, headers })
    const { resultCode } = await answer.body.json() as { resultCode: string }
    if (resultCode !== '000000') throw new Error(`${members['activity']} was answered with ${resultCode}`)
  }
  const publicKey = createPublicKey(fleet.env(0)['JOINTGATE_MARKETPLACE_PRIVATE_KEYS'] ?? '')

  /** An enterprise of its own with a purchase of its own, and one person in it. */
  let enterprises = 0
  async function newPerson () {
    const number = ++enterprises
    const [tenantId, instanceId] = [`${number}`.padStart(32, '0') as TenantId, `purchase-${number}`]
    const push = async (name: string, members: Record<string, unknown>): Promise<void> => {
      await must(fleet, fleet.sign(name, { tenantId, instanceId, ...members }))
    }
    await callBase({ activity: 'newInstance', businessId: instanceId, orderId: `CS${number}`, orderLineId: `CS${number}-000001` })
    await push('tenantSync', { tenantCode: `code${number}`, name: 'A', domainName: fleet.server.url, orderId: `CS${number}`, flag: 1 })
    await push('applicationSync', { appId, clientId: 'client-1', clientSecret: sealClientSecret(new Secret('client-secret-1'), publicKey), flag: 1 })
    await push('authSync', { appId, flag: 1, currentSyncTime: toPushTime(Date.now()), userList: [wireAccount({ userName: 'lihua' })] })
    return { cookie: await house.enter('lihua', { tenantId, instanceId: instanceId as InstanceId }), push, instanceId }
  }
  type Person = Awaited<ReturnType<typeof newPerson>>
  const users = (flag: number, more = {}) => ({ push }: Person) => push('authSync', {
    appId, flag, currentSyncTime: toPushTime(Date.now()), userList: [{ ...wireAccount({ userName: 'lihua' }), ...more }],
  })
  const losses: [what: string, lose: (person: Person) => Promise<unknown>][] = [
    ['left the enterprise (authSync 0)', users(0)],
    ['grant taken back (authSync 3)', users(3)],
    ['switched off', users(2, { enable: 'false' })],
    ['another role', users(2, { role: 'admin' })],
    ['purchase frozen', ({ instanceId }) => callBase({ activity: 'updateInstanceStatus', instanceId, status: 'FREEZE' })],
    ['purchase released', ({ instanceId }) => callBase({ activity: 'releaseInstance', instanceId })],
    ['enterprise deleted', ({ push }) => push('tenantSync', { flag: 0 })],
    ['application deleted', ({ push }) => push('applicationSync', { appId, flag: 0 })],
  ]
  for (const fault of ['pass', 'dropPubSub'] as const) {
    proxy.set(fault)
    const longestTimes: number[] = []
    for (const [what, lose] of losses) {
      const person = await newPerson()
      const streams = await Promise.all(fleet.urls.map((url) => openEvents(url, person.cookie)))
      const times = await timesLetIn(t, fleet, person.cookie, () => lose(person))
      const endedAt = performance.now()
      const texts = await Promise.all(streams.map(({ text }) => text))
      const longest = Math.max(...times.map(({ lastLetIn }) => lastLetIn))
      longestTimes.push(longest)
      t.comment(`${fault}: ${what}: let in for ${longest.toFixed(0)} ms, streams closed ${(performance.now() - endedAt).toFixed(0)} ms later`)
      t.ok(longest < hardBoundMs, `${fault}: ${what}: ${longest.toFixed(0)} ms`)
      t.ok(performance.now() - endedAt < hardBoundMs, `${fault}: ${what}: event streams`)
      for (const text of texts) t.match(text, /^data: hello\n\nevent: jointgate-session-ended\ndata: [a-z-]+\n\n$/, what)
    }
    if (fault === 'dropPubSub') t.ok(Math.max(...longestTimes) > 100, 'the notifications were missed indeed')
  }
})

/** An event stream that has begun; all of it, when it is over. */
async function openEvents (url: string, cookie: string): Promise<{ text: Promise<string> }> {
  const { statusCode, body } = await request(`${url}/events`, { headers: { cookie, accept: 'text/event-stream' }, bodyTimeout: 10_000 })
  if (statusCode !== 200) throw new Error(`no events: ${statusCode}`)
  const chunks: string[] = []
  const text = (async () => {
    try {
      for await (const chunk of body) chunks.push(String(chunk))
    } catch {
      // Broken off, as it must be: nobody shall take it for whole.
    }
    return chunks.join('')
  })()
  while (chunks.length === 0) await new Promise((resolve) => { setTimeout(resolve, 5) })
  return { text }
}
