import t from 'tap'
import { endOwnSession, endSessionsIn, listOwnSessions, listSessions, type SessionFacts } from '../../src/session/list-sessions.ts'
import type { TenantId, UserName } from '../../src/directory/model.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import { anySession } from '../support/any-session.ts'
import { limits, openSessionHouse, refOf } from '../support/session-house.ts'

async function all (sessions: AsyncIterable<SessionFacts>): Promise<SessionRef[]> {
  const refs: SessionRef[] = []
  for await (const { ref } of sessions) refs.push(ref)
  return refs.sort()
}

t.test('C-24: of more than may live in parallel the least recently seen ends, and nobody else', async (t) => {
  const house = await openSessionHouse(t, { parallelLimit: 3 })
  const stranger = anySession({ ...(await house.find(await house.signIn())), ref: anySession().ref, userName: 'other' as UserName, lastSeenAt: 0 })
  await house.storage.sessions.create({ ...stranger, revision: 1 })
  const [first] = await all(house.storage.sessions.list({ kind: 'user', ...(await house.storage.sessions.find(stranger.ref) as Session), userName: 'zhangsan' as UserName }))
  house.clock.advance(1_000)
  const second = await house.signIn()
  house.clock.advance(1_000)
  const third = await house.signIn()
  t.same(house.displaced, [], 'three may live')

  const seen = await house.storage.sessions.find(first as SessionRef) as Session
  await house.storage.sessions.replace({ ...seen, lastSeenAt: house.clock.now(), revision: seen.revision + 1 })
  house.clock.advance(1_000)
  const fourth = await house.signIn()
  t.same(house.displaced, [refOf(second)], 'the oldest was seen since')
  t.match(await house.authenticate(second), { kind: 'login', because: 'session-unknown' })
  for (const cookie of [third, fourth]) t.match(await house.authenticate(cookie), { kind: 'allow' })
  t.ok(await house.storage.sessions.find(stranger.ref), 'of another account nothing')

  await Promise.all([house.signIn(), house.signIn(), house.signIn(), house.signIn()])
  t.equal((await all(house.storage.sessions.list({ kind: 'user', ...seen }))).length, 3, 'also of several sign-ins at once')
  t.notOk(house.displaced.includes(stranger.ref))
})

t.test('C-24, T-48: a clock that was put back keeps nobody out', async (t) => {
  const house = await openSessionHouse(t, { parallelLimit: 2 })
  const before = [await house.signIn(), await house.signIn()]
  house.clock.advance(-60_000)
  const cookie = await house.signIn()
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  t.equal(house.displaced.length, 1)
  t.ok(before.map(refOf).includes(house.displaced[0] as SessionRef))
})

t.test('C-24: what the browser brought ends first, and what is over takes nobody\'s place', async (t) => {
  const house = await openSessionHouse(t, { parallelLimit: 2 })
  const old = await house.signIn()
  const own = await house.signIn()
  const again = await house.signIn({}, own)
  t.same(house.displaced, [], 'one went, one came')
  t.equal(await house.find(own), undefined, 'C-21, T-12: the old one is dead at once')
  house.clock.advance(limits.idleTimeoutSeconds * 1000)
  await house.signIn()
  await house.signIn()
  t.same(house.displaced, [])
  t.ok(await house.find(old), 'idle ones wait for the sweep')
  t.ok(await house.find(again))
})

t.test('T-12: no id that a browser brings is adopted, also one whose session lives', async (t) => {
  const house = await openSessionHouse(t)
  const planted = await house.signIn()
  const made = `__Host-jointgate=${'A'.repeat(43)}`
  for (const cookie of [planted, made, `${planted}; ${made}`]) {
    const fresh = await house.signIn({}, cookie)
    t.not(fresh, planted)
    t.equal(await house.find(planted), undefined)
    t.equal(await house.find(made), undefined)
    t.match(await house.authenticate(fresh), { kind: 'allow' })
  }
})

t.test('C-28: one account, one enterprise and all can be listed and ended; each end is told once', async (t) => {
  const house = await openSessionHouse(t)
  const { storage: { sessions }, clock } = house
  const now = clock.now()
  const life = { createdAt: now, lastSeenAt: now, endsAt: now + 1_000_000 }
  const own = [anySession(life), anySession(life)]
  const colleague = anySession({ ...life, userName: 'lisi' as UserName })
  const others = Array.from({ length: 120 }, () => anySession({ ...life, tenantId: 'tenant-2' as TenantId }))
  const over = anySession({ ...life, endsAt: now })
  await Promise.all([...own, colleague, ...others, over].map((session) => sessions.create(session)))
  const deps = { sessions, clock, limits }
  const user = { kind: 'user', ...own[0] as Session } as const
  t.strictSame(await all(listSessions(deps, user)), own.map(({ ref }) => ref).sort(), 'what is over is not listed')
  for await (const facts of listSessions(deps, { kind: 'all' })) t.notOk('tokens' in facts || 'clientId' in facts)

  const told: SessionRef[] = []
  const onEnded = ({ ref }: Session): void => { told.push(ref) }
  t.equal(await endSessionsIn({ sessions }, user, onEnded), 3)
  t.strictSame(told.sort(), [...own, over].map(({ ref }) => ref).sort())
  t.equal(await endSessionsIn({ sessions }, user, onEnded), 0)
  t.equal(told.length, 3)
  t.equal(await endSessionsIn({ sessions }, { kind: 'tenant', tenantId: 'tenant-2' as TenantId }, () => {}), 120)
  t.strictSame(await all(listSessions(deps, { kind: 'all' })), [colleague.ref])
  t.equal(await endSessionsIn({ sessions }, { kind: 'all' }, () => {}), 1)
})

t.test('C-29: of one\'s own sessions each can be ended, of anybody else\'s none', async (t) => {
  const house = await openSessionHouse(t)
  const { storage: { sessions }, clock } = house
  const here = await house.find(await house.signIn()) as Session
  clock.advance(10)
  const elsewhere = await house.find(await house.signIn()) as Session
  const foreign = [{ userName: 'lisi' as UserName }, { tenantId: 'tenant-2' as TenantId }].map((more) => anySession({ ...here, ref: anySession().ref, ...more }))
  for (const session of foreign) await sessions.create(session)
  const own = await listOwnSessions({ sessions, clock, limits }, here)
  t.strictSame(own.map(({ ref, isCurrent }) => [ref, isCurrent]), [[here.ref, true], [elsewhere.ref, false]])
  for (const { ref } of foreign) {
    t.equal(await endOwnSession({ sessions }, here, ref), undefined)
    t.ok(await sessions.find(ref))
  }
  t.equal((await endOwnSession({ sessions }, here, elsewhere.ref))?.ref, elsewhere.ref)
  t.equal(await sessions.find(elsewhere.ref), undefined)
  t.equal(await endOwnSession({ sessions }, here, elsewhere.ref), undefined)
})
