import fc from 'fast-check'
import t from 'tap'
import { judgeTokens, nextAttemptAt, renewalDueAt } from '../../src/session/life-rules.ts'
import type { RenewalAnswer } from '../../src/session/renewal-attempt.ts'
import type { Session } from '../../src/session/session.ts'
import { anySession } from '../support/any-session.ts'
import { cookieOf, limits, openSessionHouse, refOf, tokenLifeMs } from '../support/session-house.ts'

const graceMs = limits.renewalGraceSeconds * 1_000
const leadMs = 300_000

const silence: RenewalAnswer = { kind: 'unavailable', detail: { error: 'UND_ERR_HEADERS_TIMEOUT' }, mayHaveActed: true }

/** A promise and the hand that settles it. */
function hold<Value> () {
  let release: (value: Value) => void = () => undefined
  const promise = new Promise<Value>((resolve) => { release = resolve })
  return { promise, release }
}

t.test('what the tokens ask for: fresh, background, await, ended, exact to the millisecond', async (t) => {
  const session = anySession({ tokens: { accessToken: 'a', refreshToken: 'r', expiresAt: 1_000_000 }, renewalDueAt: 700_000 })
  const bare = anySession({ tokens: { accessToken: 'a', expiresAt: 1_000_000 }, renewalDueAt: 700_000 })
  const table: Array<[session: Session, now: number, judgement: string]> = [
    [session, 0, 'fresh'],
    [session, 699_999, 'fresh'],
    [session, 700_000, 'background'],
    [session, 1_000_000, 'background'],
    [session, 1_000_000 + graceMs - 1, 'background'],
    [session, 1_000_000 + graceMs, 'await'],
    [{ ...session, renewalDueAt: 1_000_100 }, 1_000_099, 'fresh'],
    [{ ...session, renewalDueAt: 9_000_000 }, 1_000_000 + graceMs, 'await'],
    [bare, 699_999, 'fresh'],
    [bare, 700_000, 'fresh'],
    [bare, 999_999, 'fresh'],
    [bare, 1_000_000, 'ended'],
  ]
  for (const [session, now, judgement] of table) t.equal(judgeTokens(session, now, limits), judgement, `${now}`)
})

t.test('renewal is due in the last fifth of a token\'s life, five minutes before its end at most', async (t) => {
  const due = (life: number) => renewalDueAt({ accessToken: '', expiresAt: 10_000_000 + life }, 10_000_000) - 10_000_000
  t.equal(due(7_200_000), 7_200_000 - leadMs)
  t.equal(due(1_500_000), 1_200_000)
  t.equal(due(1_499_000), 1_499_000 * 4 / 5)
  t.equal(due(60_000), 48_000)
  t.equal(due(0), 0)
  t.equal(due(-5), -5)
  fc.assert(fc.property(fc.integer({ min: 1, max: 10 ** 9 }), (life) => due(life) > 0 && due(life) < life && life - due(life) <= leadMs))
})

t.test('the next attempt is half a minute away, further each time, spread over the sessions, and as far as Retry-After asks', async (t) => {
  const session = anySession({ tokens: { accessToken: 'a', refreshToken: 'r', expiresAt: 1_000_000 } })
  const next = (failures: number, askedSeconds?: number, random = 0, now = 1_000) =>
    nextAttemptAt(session, now, { failures, askedSeconds, random }, limits) - now
  t.same([1, 2, 3, 4, 50].map((failures) => next(failures)), [30_000, 60_000, 120_000, 120_000, 120_000])
  t.equal(next(1, undefined, 0.5), 37_500)
  t.equal(next(1, 5), 30_000)
  t.equal(next(1, 121), 121_000)
  const graceEnd = 1_000_000 + graceMs
  t.equal(next(3, undefined, 1, graceEnd - 1_000), 1_000, 'our own patience ends with the grace')
  t.equal(next(3, 60, 1, graceEnd - 1_000), 60_000, 'the server\'s word does not')
})

t.test('T-28: 200 requests at once make one call, all are let in, nobody is signed out', async (t) => {
  for (const late of [tokenLifeMs - leadMs, tokenLifeMs + graceMs]) {
    // The idle limit would end a session whose tokens have this long been over.
    const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
    const cookie = await house.signIn()
    house.clock.advance(late)
    const answers = await Promise.all(Array.from({ length: 200 }, () => house.authenticate(cookie)))
    await house.settle()
    t.strictSame(house.asked, ['refresh-1'])
    t.ok(answers.every(({ kind }) => kind === 'allow'))
    t.match(await house.find(cookie), { tokens: { accessToken: 'access-2', refreshToken: 'refresh-2' } })
    t.same(house.faults, [])
  }
})

t.test('T-28: who read the session before a renewal and comes after it does not spend the old refresh token again', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  const stale = await house.find(cookie) as Session
  house.answer = async ({ tokens: { refreshToken } }) => {
    // Rotation with reuse detection, as RFC 9700 §4.14.2 has it.
    if (house.asked.filter((token) => token === refreshToken).length > 1) return { kind: 'refused' }
    return { kind: 'renewed', tokens: { accessToken: `after ${refreshToken}`, refreshToken: 'refresh-2', expiresAt: house.clock.now() + tokenLifeMs } }
  }
  t.equal(await house.renew(stale), 'renewed')
  t.equal(await house.renew(stale), 'renewed')
  t.strictSame(house.asked, ['refresh-1'])
  t.match(await house.find(cookie), { tokens: { accessToken: 'after refresh-1' } })

  house.clock.advance(tokenLifeMs)
  const renewed = await house.find(cookie) as Session
  house.answer = async () => silence
  t.equal(await house.renew(renewed), 'unavailable')
  t.equal(await house.renew(renewed), 'silent', 'nor asks a server again that has just been silent')
  t.strictSame(house.asked, ['refresh-1', 'refresh-2'])
})

t.test('sessions are renewed each in its own flight, one after another in time', async (t) => {
  const house = await openSessionHouse(t)
  const cookies = [await house.signIn({ refreshToken: 'one' }), await house.signIn({ refreshToken: 'two' })]
  house.clock.advance(tokenLifeMs - leadMs)
  for (const cookie of cookies) {
    const session = await house.find(cookie) as Session
    await house.renew(session)
  }
  t.same(house.asked, ['one', 'two'])
  house.clock.advance(tokenLifeMs)
  await house.renew(await house.find(cookies[0] ?? '') as Session)
  t.same(house.asked, ['one', 'two', 'refresh-2'], 'the next renewal is with the rotated token')
})

t.test('the rotated token is stored before anybody gets to use it', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  let storedAtUse: Session | undefined
  house.isStillKnown = async (_session, tokens) => {
    storedAtUse = await house.find(cookie)
    t.equal(tokens.accessToken, 'access-2')
    return true
  }
  t.equal(await house.renew(await house.find(cookie) as Session), 'renewed')
  t.match(storedAtUse, { tokens: { accessToken: 'access-2', refreshToken: 'refresh-2' }, renewalDueAt: house.clock.now() + tokenLifeMs - leadMs })
})

t.test('renewal moves neither the idle nor the absolute end', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  const before = await house.find(cookie) as Session
  house.clock.advance(1_000)
  await house.renew(before)
  t.match(await house.find(cookie), { endsAt: before.endsAt, lastSeenAt: before.lastSeenAt, createdAt: before.createdAt })
})

t.test('refused: the session is ended with its tokens, at once or beside the request', async (t) => {
  for (const [late, first] of [[tokenLifeMs + graceMs, 'login'], [tokenLifeMs, 'allow']] as const) {
    const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
    const cookie = await house.signIn()
    house.answer = async () => ({ kind: 'refused' })
    house.clock.advance(late)
    t.match(await house.authenticate(cookie), first === 'allow' ? { kind: 'allow' } : { kind: 'login', because: 'tokens-ended' })
    await house.settle()
    t.equal(await house.find(cookie), undefined)
    t.strictSame(await house.authenticate(cookie), { kind: 'login', because: 'session-unknown' })
  }
})

t.test('login.md Q13: renewed, but no longer known there: the session is ended', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  house.isStillKnown = async () => false
  t.equal(await house.renew(await house.find(cookie) as Session), 'refused')
  t.equal(await house.find(cookie), undefined)
})

t.test('unavailable: the session lives on until the token\'s end plus the grace, is asked for twice a minute at most, then is over', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  house.answer = async () => silence
  const start = house.clock.now()
  const at = async (moment: number) => {
    house.clock.set(start + moment)
    const answer = await house.authenticate(cookie)
    await house.settle()
    return answer
  }
  const due = tokenLifeMs - leadMs
  const table: Array<[moment: number, calls: number]> = [
    [due - 1, 0], [due, 1], [due + 29_999, 1], [due + 30_000, 2], [tokenLifeMs, 3], [tokenLifeMs + graceMs - 1, 4],
  ]
  for (const [moment, calls] of table) {
    t.match(await at(moment), { kind: 'allow' }, `${moment}`)
    t.equal(house.asked.length, calls, `calls until ${moment}`)
  }
  t.strictSame(await at(tokenLifeMs + graceMs), { kind: 'login', because: 'tokens-ended' })
  t.equal(house.asked.length, 5, 'asked once more before the end')
  t.equal(await house.find(cookie), undefined)
})

t.test('unavailable, then an answer: the session goes on', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  const answer = house.answer
  house.answer = async () => ({ kind: 'unavailable', retryAfterSeconds: 90, mayHaveActed: false })
  house.clock.advance(tokenLifeMs)
  await house.authenticate(cookie)
  await house.settle()
  house.answer = answer
  house.clock.advance(89_999)
  await house.authenticate(cookie)
  await house.settle()
  t.equal(house.asked.length, 1, 'Retry-After is obeyed')
  house.clock.advance(1)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.match(await house.find(cookie), { tokens: { accessToken: 'access-2' } })
  house.clock.advance(tokenLifeMs - leadMs - 1)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.equal(house.asked.length, 2)
})

t.test('after the grace the request waits for the answer, and goes on with it', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  const { promise, release } = hold<RenewalAnswer>()
  house.answer = () => promise
  house.clock.advance(tokenLifeMs + graceMs)
  let isAnswered = false
  const request = house.authenticate(cookie).finally(() => { isAnswered = true })
  await house.settle()
  t.equal(isAnswered, false)
  release({ kind: 'renewed', tokens: { accessToken: 'access-2', expiresAt: house.clock.now() + tokenLifeMs } })
  t.match(await request, { kind: 'allow' })
})

t.test('before that the request does not wait', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  const { promise, release } = hold<RenewalAnswer>()
  house.answer = () => promise
  house.clock.advance(tokenLifeMs)
  for (let request = 0; request < 3; request++) t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.equal(house.asked.length, 1)
  release(silence)
  await house.settle()
})

t.test('without a refresh token the session ends with its access token, and nobody is asked', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn('no refresh token')
  house.clock.advance(tokenLifeMs - 1)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  house.clock.advance(1)
  t.strictSame(await house.authenticate(cookie), { kind: 'login', because: 'tokens-ended' })
  t.equal(await house.find(cookie), undefined)
  t.same(house.asked, [])
})

t.test('T-13: a session ended while its renewal is in flight stays ended, whatever the answer', async (t) => {
  const answers: RenewalAnswer[] = [
    { kind: 'renewed', tokens: { accessToken: 'access-2', expiresAt: Number.MAX_SAFE_INTEGER } }, { kind: 'refused' }, silence,
  ]
  for (const answer of answers) {
    for (const late of [tokenLifeMs, tokenLifeMs + graceMs]) {
      const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
      const cookie = await house.signIn()
      const { promise, release } = hold<RenewalAnswer>()
      house.answer = () => promise
      house.isStillKnown = async () => t.fail('the tokens of an ended session are not used')
      house.clock.advance(late)
      const request = house.authenticate(cookie)
      await house.settle()
      t.equal(house.asked.length, 1)
      await house.storage.sessions.end(refOf(cookie))
      release(answer)
      if (late > tokenLifeMs) t.strictSame(await request, { kind: 'login', because: 'tokens-ended' }, answer.kind)
      await house.settle()
      t.equal(await house.find(cookie), undefined, answer.kind)
      t.same(house.faults, [])
    }
  }
})

t.test('a sighting and a renewal at once: both are kept, no token is lost', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  house.clock.advance(tokenLifeMs)
  for (let request = 0; request < 3; request++) {
    await house.authenticate(cookie)
    await house.settle()
  }
  t.match(await house.find(cookie), { tokens: { accessToken: 'access-2', refreshToken: 'refresh-2' }, lastSeenAt: house.clock.now() })
})

t.test('a fault beside a request reaches onBackgroundFault, the request is answered, and the next renewal is free to start', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  const answer = house.answer
  const fault = new Error('unforeseen')
  house.answer = async () => { throw fault }
  house.clock.advance(tokenLifeMs)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  t.strictSame(house.faults, [{ error: fault, ref: refOf(cookie) }])
  house.answer = answer
  await house.authenticate(cookie)
  await house.settle()
  t.match(await house.find(cookie), { tokens: { accessToken: 'access-2' } })
})

t.test('a fault that the request waits for is the request\'s, and ends no session', async (t) => {
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 40_000 })
  const cookie = await house.signIn()
  house.answer = async () => { throw new Error('unforeseen') }
  house.clock.advance(tokenLifeMs + graceMs)
  await t.rejects(house.authenticate(cookie), { message: 'unforeseen' })
  t.ok(await house.find(cookie))
  t.same(house.faults, [])
})

t.test('an unknown session is refused without asking', async (t) => {
  const house = await openSessionHouse(t)
  t.equal(await house.renew(anySession()), 'refused')
  t.same(house.asked, [])
  t.equal(await house.find(cookieOf('x')), undefined)
})
