import fc from 'fast-check'
import t from 'tap'
import { faults } from '../../src/base/coded-errors.ts'
import { Secret } from '../../src/base/secret.ts'
import { lanesPerServer } from '../../src/session/renewal-lanes.ts'
import type { RenewalAnswer } from '../../src/session/renewal-attempt.ts'
import type { Session } from '../../src/session/session.ts'
import { createAuthorizationServer, toRenewalAnswer } from '../../src/sign-in/authorization-server.ts'
import { openOutbound } from '../../src/sign-in/outbound-fetch.ts'
import { anySession } from '../support/any-session.ts'
import { openFakeAuthorizationServer, type Misbehaviour } from '../support/fake-authorization-server.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { callTimeoutSeconds, limits, openSessionHouse, tokenLifeMs, type SessionHouse } from '../support/session-house.ts'

const graceMs = limits.renewalGraceSeconds * 1_000
const leaseMs = 2 * callTimeoutSeconds * 1_000
/** The idle limit would end a session whose tokens have this long been over. */
const longIdle = { idleTimeoutSeconds: 40_000 }
const over = tokenLifeMs + graceMs
const pending = { code: 'GW_SESSION_RENEWAL_PENDING', statusCode: 503 }
const tokensEnded = { kind: 'login', because: 'tokens-ended' }
const never = new Promise<never>(() => undefined)

type Answer = SessionHouse['answer']

/** Rotates, and takes a refresh token that comes twice for stolen: then nothing of its family is good any more (RFC 9700 §4.14.2). */
function rotateIn (house: SessionHouse): Answer {
  const spent = new Set<string>()
  let serial = 1
  let isRevoked = false
  return async ({ tokens: { refreshToken = '' } }) => {
    isRevoked ||= spent.has(refreshToken)
    if (isRevoked) return { kind: 'refused', detail: { status: 400, error: 'invalid_grant' } }
    spent.add(refreshToken)
    serial += 1
    return { kind: 'renewed', tokens: { accessToken: `access-${serial}`, refreshToken: `refresh-${serial}`, expiresAt: house.clock.now() + tokenLifeMs } }
  }
}

const silence = (more: Partial<Extract<RenewalAnswer, { kind: 'unavailable' }>> = {}): Answer =>
  async () => ({ kind: 'unavailable', mayHaveActed: true, ...more })

/** Turns the clock in small steps until the work is done. */
async function drive<Result> (house: SessionHouse, work: Promise<Result>, mostMs = 60_000): Promise<Result> {
  const state = { isDone: false }
  const watch = () => { state.isDone = true }
  work.then(watch, watch)
  await house.settle()
  for (let turned = 0; !state.isDone && turned < mostMs; turned += 1_000) {
    house.time.advance(1_000)
    await house.settle()
  }
  if (!state.isDone) throw new Error('no answer in time')
  return await work
}

t.test('T-28, C-17: 200 requests through three gateways make one renewal, nobody is signed out', async (t) => {
  for (const late of [tokenLifeMs - 300_000, over]) {
    const house = await openSessionHouse(t, longIdle)
    house.answer = rotateIn(house)
    const cookie = await house.signIn()
    const gateways = [house, house.openGateway(), house.openGateway()]
    // Every gateway has the session as it was in its memory.
    for (const gateway of gateways) await gateway.authenticate(cookie)
    house.clock.advance(late)
    const requests = Array.from({ length: 200 }, async (_, index) => await gateways[index % 3]?.authenticate(cookie))
    const answers = await drive(house, Promise.all(requests))
    await house.settle()
    t.strictSame(house.asked, ['refresh-1'])
    t.equal(answers.filter((answer) => answer?.kind === 'allow').length, 200)
    t.match(await house.find(cookie), { tokens: { accessToken: 'access-2', refreshToken: 'refresh-2' } })
    t.notOk((await house.find(cookie))?.renewalAttempts, 'nothing of the attempt is left')
    t.same(house.faults, [])
    t.strictSame(house.lines.map(({ event }) => event), ['session.renewed'])
    t.notMatch(JSON.stringify(house.lines), /access-|refresh-/)
  }
})

t.test('whose memory is half a second old spends no token that another gateway has spent', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  house.answer = rotateIn(house)
  const cookie = await house.signIn()
  const other = house.openGateway()
  house.clock.advance(tokenLifeMs - 300_001)
  t.match(await other.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  const old = await house.find(cookie) as Session
  house.clock.advance(1)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.strictSame(house.asked, ['refresh-1'])
  t.equal(await other.renewal.attempt(old), 'renewed')
  t.strictSame(house.asked, ['refresh-1'])
})

t.test('beside a request nobody waits for another gateway: not for its answer, not for a timer', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  house.answer = () => never
  const cookie = await house.signIn()
  const other = house.openGateway()
  house.clock.advance(tokenLifeMs)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  for (let request = 0; request < 3; request++) t.match(await other.authenticate(cookie), { kind: 'allow' })
  t.equal(house.asked.length, 1)
  t.equal(house.time.next, undefined, 'no timer is set')
})

t.test('the request that finds the tokens due counts as a sign of life, whatever is written at the same time', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  house.answer = rotateIn(house)
  const cookie = await house.signIn()
  house.clock.advance(tokenLifeMs)
  await house.authenticate(cookie)
  await house.settle()
  t.match(await house.find(cookie), { lastSeenAt: house.clock.now(), tokens: { refreshToken: 'refresh-2' } })
})

t.test('past the grace the others wait for the outcome: a notification wakes them, or the next look', async (t) => {
  for (const isTold of [true, false]) {
    const house = await openSessionHouse(t, longIdle)
    let release = (): void => {}
    const held = new Promise<void>((resolve) => { release = resolve })
    const rotate = rotateIn(house)
    house.answer = async (session) => {
      await held
      return await rotate(session)
    }
    const cookie = await house.signIn()
    const other = house.openGateway()
    house.clock.advance(over)
    const first = house.authenticate(cookie)
    await house.settle()
    let isAnswered = false
    const second = other.authenticate(cookie).finally(() => { isAnswered = true })
    await house.settle()
    house.time.advance(5_000)
    await house.settle()
    t.equal(isAnswered, false, 'as long as the answer takes')
    release()
    t.match(await first, { kind: 'allow' })
    house.clock.advance(500)
    const session = await house.find(cookie) as Session
    if (isTold) house.feed.tell({ kind: 'session', ref: session.ref })
    else house.time.advance(1_000)
    t.match(await second, { kind: 'allow' })
    t.strictSame(house.asked, ['refresh-1'])
    t.equal(house.time.next, undefined, 'no timer is left')
  }
})

t.test('T-28: the holder is killed before the server has acted: another takes over after the time, not a millisecond before', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const rotate = rotateIn(house)
  house.answer = () => never
  const cookie = await house.signIn()
  const survivor = house.openGateway()
  house.clock.advance(tokenLifeMs - 300_000)
  await house.authenticate(cookie)
  await house.settle()
  house.answer = rotate
  house.clock.advance(leaseMs - 1)
  t.match(await survivor.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.equal(house.asked.length, 1)
  house.clock.advance(1)
  // The survivor may remember for half a second what it has read.
  house.clock.advance(500)
  t.match(await survivor.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.equal(house.asked.length, 2)
  t.match(await house.find(cookie), { tokens: { refreshToken: 'refresh-2' } })
})

t.test('T-28: the holder is killed after the server has rotated: the session lives until its access token ends, then is over', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const rotate = rotateIn(house)
  house.answer = async (session) => {
    await rotate(session)
    return await never
  }
  const cookie = await house.signIn()
  const survivor = house.openGateway()
  const { tokens: { expiresAt } } = await house.find(cookie) as Session
  house.clock.advance(tokenLifeMs - 300_000)
  await house.authenticate(cookie)
  await house.settle()
  house.answer = rotate
  house.clock.advance(leaseMs)
  t.match(await survivor.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.strictSame(house.asked, ['refresh-1', 'refresh-1'])
  t.match(house.lines.at(-1), { event: 'session.renewal-lost', status: 400, error: 'invalid_grant' })
  t.notOk((await house.find(cookie))?.tokens.refreshToken, 'it is not sent a third time')
  house.clock.set(expiresAt - 1)
  t.match(await survivor.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  house.clock.set(expiresAt)
  t.strictSame(await survivor.authenticate(cookie), tokensEnded)
  t.equal(house.asked.length, 2)
})

t.test('login.md Q12: refused after an answer that got lost is a doubt; after 429, 503 or no connection it is none', async (t) => {
  for (const mayHaveActed of [true, false]) {
    const house = await openSessionHouse(t, longIdle)
    const cookie = await house.signIn()
    house.answer = silence({ mayHaveActed })
    house.clock.advance(tokenLifeMs - 300_000)
    await house.authenticate(cookie)
    await house.settle()
    house.answer = async () => ({ kind: 'refused' })
    house.clock.advance(30_000)
    await house.authenticate(cookie)
    await house.settle()
    t.equal(house.asked.length, 2)
    t.equal(await house.find(cookie) !== undefined, mayHaveActed)
  }
})

t.test('the holder is killed and people wait past the grace: whoever waits takes over', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const rotate = rotateIn(house)
  house.answer = () => never
  const cookie = await house.signIn()
  const survivor = house.openGateway()
  house.clock.advance(over)
  house.authenticate(cookie).catch(() => {})
  await house.settle()
  house.answer = rotate
  const answers = await drive(house, Promise.all([1, 2, 3].map(() => survivor.authenticate(cookie))))
  t.ok(answers.every(({ kind }) => kind === 'allow'))
  t.equal(house.asked.length, 2)
})

t.test('T-29: nobody answers, ever: the wait is bounded, the request fails, the session is kept', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  house.answer = () => never
  const cookie = await house.signIn()
  const other = house.openGateway()
  house.clock.advance(over)
  const startedAt = house.clock.now()
  const requests = [house, other].map((gateway) => gateway.authenticate(cookie))
  const outcomes = await drive(house, Promise.allSettled(requests), 2 * leaseMs)
  t.ok(house.clock.now() - startedAt <= leaseMs + callTimeoutSeconds * 1_000 + 1_250, 'the time of the dead one, then of a call')
  for (const outcome of outcomes) t.match(outcome, { status: 'rejected', reason: pending })
  t.equal(house.asked.length, 2, 'another gateway took over when the time was up, not before')
  t.ok(await house.find(cookie))
})

t.test('T-29: a holder that stood still and is overtaken does no harm with what it hears later', async (t) => {
  const fresh = (house: SessionHouse): RenewalAnswer =>
    ({ kind: 'renewed', tokens: { accessToken: 'late', refreshToken: 'late-refresh', expiresAt: house.clock.now() + tokenLifeMs } })
  const refused: RenewalAnswer = { kind: 'refused' }
  const table: Array<[late: (house: SessionHouse) => RenewalAnswer, other: 'renewed' | 'refused', accessToken: string]> = [
    [fresh, 'renewed', 'access-2'],
    [() => refused, 'renewed', 'access-2'],
    [() => ({ kind: 'unavailable', mayHaveActed: true }), 'renewed', 'access-2'],
    // The other was refused because this one had been given the successor: here it comes.
    [fresh, 'refused', 'late'],
    [() => refused, 'refused', 'access-1'],
  ]
  for (const [late, other, accessToken] of table) {
    const house = await openSessionHouse(t, longIdle)
    let wake: (answer: RenewalAnswer) => void = () => {}
    house.answer = () => new Promise((resolve) => { wake = resolve })
    const cookie = await house.signIn()
    const gateway = house.openGateway()
    house.clock.advance(tokenLifeMs - 300_000)
    await house.authenticate(cookie)
    await house.settle()
    house.clock.advance(leaseMs)
    house.answer = other === 'renewed' ? rotateIn(house) : async () => refused
    await gateway.authenticate(cookie)
    await house.settle()
    t.equal(house.asked.length, 2)
    wake(late(house))
    await house.settle()
    t.match(await house.find(cookie), { tokens: { accessToken } }, `${late(house).kind} after ${other}`)
  }
})

t.test('T-29: a store so slow that the time is half over: no call is made, since another gateway could overtake it', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const cookie = await house.signIn()
  house.clock.advance(tokenLifeMs)
  house.beforeReplace = () => { house.clock.advance(leaseMs / 2 + 1) }
  t.equal(await house.renew(await house.find(cookie) as Session), 'overtaken')
  t.same(house.asked, [])
  house.beforeReplace = () => {}
  t.equal(await house.renew(await house.find(cookie) as Session), 'renewed', 'and the way is free again')
})

t.test('the store is away when the rotated tokens come: they are stored as soon as it is back', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const rotate = rotateIn(house)
  house.answer = async (session) => {
    let failures = 3
    house.beforeReplace = () => { if (failures-- > 0) throw new faults.StorageUnavailable() }
    return await rotate(session)
  }
  const cookie = await house.signIn()
  house.clock.advance(tokenLifeMs)
  t.equal(await drive(house, house.renew(await house.find(cookie) as Session)), 'renewed')
  t.match(await house.find(cookie), { tokens: { refreshToken: 'refresh-2' } })

  house.clock.advance(tokenLifeMs)
  house.answer = async (session) => {
    house.beforeReplace = () => { throw new faults.StorageUnavailable() }
    return await rotate(session)
  }
  const startedAt = house.clock.now()
  await t.rejects(drive(house, house.renew(await house.find(cookie) as Session)), { code: 'GW_STORAGE_UNAVAILABLE' })
  t.ok(house.clock.now() - startedAt <= leaseMs + 1_000, 'not for ever')
  t.ok(await house.find(cookie), 'no session is ended for that')
})

t.test('Retry-After is the client\'s: it holds for all sessions of the enterprise, also for those who wait, and nobody is signed out', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const [first, second] = [await house.signIn(), await house.signIn({ refreshToken: 'second' })]
  house.clock.advance(over - 1)
  house.answer = silence({ retryAfterSeconds: 120, mayHaveActed: false })
  t.match(await house.authenticate(first), { kind: 'allow' })
  await house.settle()
  house.clock.advance(1)
  for (const cookie of [first, second]) await t.rejects(house.authenticate(cookie), pending)
  t.equal(house.asked.length, 1)
  const other = house.openGateway()
  await t.rejects(other.authenticate(first), pending, 'another gateway reads it in the session')
  t.equal(house.asked.length, 1)
  house.answer = rotateIn(house)
  house.clock.advance(119_999)
  for (const cookie of [first, second]) t.match(await house.authenticate(cookie), { kind: 'allow' })
})

t.test('an outage of ten minutes, at any moment of a token of any length: with the default grace nobody is signed out; the bound holds', async (t) => {
  const defaultGraceSeconds = 900
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 60, max: 7_200 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 5, max: 240 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    async (lifeSeconds, share, pauseSeconds, random) => {
      const house = await openSessionHouse(t, { ...longIdle, renewalGraceSeconds: defaultGraceSeconds })
      house.random = () => random
      const newTokens = () => ({ accessToken: `at ${house.clock.now()}`, refreshToken: 'r', expiresAt: house.clock.now() + lifeSeconds * 1_000 })
      const cookie = await house.signIn(newTokens())
      const from = house.clock.now() + Math.floor(share * lifeSeconds * 1_000)
      house.answer = async () => {
        const isDown = house.clock.now() >= from && house.clock.now() < from + 600_000
        return isDown ? { kind: 'unavailable', mayHaveActed: false } : { kind: 'renewed', tokens: newTokens() }
      }
      const end = from + 1_200_000
      while (house.clock.now() < end) {
        const answer = await house.authenticate(cookie)
        if (answer.kind !== 'allow') return false
        await house.settle()
        house.clock.advance(pauseSeconds * 1_000)
      }
      return true
    },
  ), { numRuns: 8 })

  const house = await openSessionHouse(t, { ...longIdle, renewalGraceSeconds: defaultGraceSeconds })
  house.answer = silence()
  const cookie = await house.signIn()
  const { tokens: { expiresAt } } = await house.find(cookie) as Session
  house.clock.set(expiresAt + defaultGraceSeconds * 1_000 - 1)
  t.match(await house.authenticate(cookie), { kind: 'allow' }, 'the last millisecond')
  await house.settle()
  house.clock.advance(1)
  t.strictSame(await house.authenticate(cookie), tokensEnded)
  t.equal(await house.find(cookie), undefined)
})

t.test('a storm: a thousand sessions at once, silent server, then it is back: few calls side by side, none in vain', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const now = house.clock.now()
  const all = Array.from({ length: 1_000 }, (_, index) => anySession({
    tokens: { accessToken: `a${index}`, refreshToken: `r${index}`, expiresAt: now + 60_000 }, renewalDueAt: now, lastSeenAt: now, endsAt: now + 9_000_000,
  }))
  await Promise.all(all.map((session) => house.storage.sessions.create(session)))
  let running = 0
  let most = 0
  const count = (answer: Answer): Answer => async (session) => {
    most = Math.max(most, ++running)
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => { setImmediate(resolve) })
    running -= 1
    return await answer(session)
  }

  house.answer = count(silence({ mayHaveActed: false }))
  const outcomes = await Promise.all(all.map((session) => house.renewal.attempt(session)))
  t.equal(most, lanesPerServer)
  t.equal(house.asked.length, lanesPerServer, 'who waited in line is told that the server is silent')
  t.equal(outcomes.filter((outcome) => outcome === 'silent').length, 1_000 - lanesPerServer)

  house.clock.advance(30_000)
  house.answer = count(async ({ ref }) => {
    return { kind: 'renewed', tokens: { accessToken: `new ${ref}`, refreshToken: 'next', expiresAt: house.clock.now() + tokenLifeMs } }
  })
  const current = await Promise.all(all.map(async ({ ref }) => await house.storage.sessions.find(ref) as Session))
  const again = await Promise.all(current.map((session) => house.renewal.attempt(session)))
  t.equal(again.filter((outcome) => outcome === 'renewed').length, 1_000)
  t.equal(most, lanesPerServer, 'never more than so many side by side')
  t.equal(house.asked.length, 1_000 + lanesPerServer, 'each once')
})

t.test('who waits past the grace goes before those whose renewal nobody waits for', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  const session = (refreshToken: string): Session => anySession({
    tokens: { accessToken: refreshToken, refreshToken, expiresAt: house.clock.now() }, renewalDueAt: house.clock.now(),
  })
  const beside = Array.from({ length: lanesPerServer + 2 }, (_, index) => session(`beside-${index}`))
  const awaited = session('awaited')
  for (const each of [...beside, awaited]) await house.storage.sessions.create(each)
  const rotate = rotateIn(house)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  house.answer = async (session) => {
    await held
    return await rotate(session)
  }
  const flights = beside.map((each) => house.renewal.attempt(each))
  await house.settle()
  const finished = house.renewal.finish(awaited)
  await house.settle()
  release()
  t.equal(await finished, 'renewed')
  await Promise.all(flights)
  t.equal(house.asked[lanesPerServer], 'awaited')
})

t.test('a gateway that stops waits for the attempt under way, stores what comes, and starts no other', async (t) => {
  const house = await openSessionHouse(t, longIdle)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const rotate = rotateIn(house)
  house.answer = async (session) => {
    await held
    return await rotate(session)
  }
  const cookie = await house.signIn()
  house.clock.advance(tokenLifeMs)
  await house.authenticate(cookie)
  await house.settle()
  let isClosed = false
  const closed = house.renewal.close().then(() => { isClosed = true })
  await house.settle()
  t.equal(isClosed, false)
  release()
  await closed
  t.match(await house.find(cookie), { tokens: { refreshToken: 'refresh-2' } })
  house.clock.advance(tokenLifeMs)
  t.equal(await house.renew(await house.find(cookie) as Session), 'silent')
  t.equal(house.asked.length, 1)
})

t.test('what a real server answers: slow, hanging, broken, busy; what Retry-After says, and whether it may have acted', async (t) => {
  const server = await openFakeAuthorizationServer(t)
  const rules = { timeoutSeconds: 1, dangerouslyAllowHttp: true }
  const outbound = openOutbound({ ...rules, tenantDomains: [] })
  t.teardown(() => outbound.close())
  const clock = new ManualClock(Date.UTC(2025, 0, 1, 12))
  const client = createAuthorizationServer({ ...rules, outbound, clock, scope: 'get_user_info', clientAuthentication: 'body' })
  const ask = async (url = server.url) => toRenewalAnswer(
    await client.refresh({ authorizationServer: url, clientId: 'client-1', clientSecret: new Secret('s') }, 'refresh-1'), { accessToken: 'access-1', refreshToken: 'refresh-1', expiresAt: 0 },
  )
  const busy = (status: number, retryAfter: string): Misbehaviour => ({ status, body: {}, headers: { 'retry-after': retryAfter } })
  const table: Array<[how: Misbehaviour, answer: Record<string, unknown>]> = [
    ['status-500', { kind: 'unavailable', detail: { status: 500 }, mayHaveActed: true, retryAfterSeconds: undefined }],
    ['status-429', { kind: 'unavailable', detail: { status: 429 }, mayHaveActed: false, retryAfterSeconds: 120 }],
    [busy(503, 'Wed, 01 Jan 2025 12:01:30 GMT'), { kind: 'unavailable', mayHaveActed: false, retryAfterSeconds: 90 }],
    [busy(503, 'Wednesday, 01-Jan-25 12:00:07 GMT'), { kind: 'unavailable', retryAfterSeconds: 7 }],
    [busy(503, 'Wed, 01 Jan 2025 11:00:00 GMT'), { kind: 'unavailable', retryAfterSeconds: 0 }],
    ...['soon', '-5', '1e9', '', '2025-01-01', 'Wed, nonsense'].map((text): [Misbehaviour, Record<string, unknown>] =>
      [busy(429, text), { kind: 'unavailable', retryAfterSeconds: undefined }]),
    [busy(502, '10'), { kind: 'unavailable', mayHaveActed: true, retryAfterSeconds: 10 }],
    ['hang', { kind: 'unavailable', mayHaveActed: true }],
    ['reset', { kind: 'unavailable', mayHaveActed: true }],
    ['html', { kind: 'unavailable', mayHaveActed: true }],
    ['not-json', { kind: 'unavailable', mayHaveActed: true }],
    [{ status: 400, body: { error: 'invalid_grant' } }, { kind: 'refused', detail: { status: 400, error: 'invalid_grant' } }],
    [{ status: 401, body: { error: 'invalid_client' } }, { kind: 'refused', detail: { status: 401 } }],
  ]
  for (const [how, answer] of table) {
    server.misbehaviours.set('token', how)
    t.match(await ask(), answer, JSON.stringify(how))
  }
  t.match(await ask('http://127.0.0.1:1'), { kind: 'unavailable', mayHaveActed: false }, 'no connection')
})
