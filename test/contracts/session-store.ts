import type { Test } from 'tap'
import type { AppId, TenantId, UserName } from '../../src/directory/model.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import type { SessionScope, SessionStore } from '../../src/session/session-store.ts'
import { anySession } from '../support/any-session.ts'

export async function refsOf (sessions: AsyncIterable<Session>): Promise<SessionRef[]> {
  const refs: SessionRef[] = []
  for await (const { ref } of sessions) refs.push(ref)
  return refs.sort()
}

/** Some at a time: a busy machine would take longer for all at once than a command may. */
async function inWaves<Item> (items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += 100) await Promise.all(items.slice(at, at + 100).map(work))
}

/** What every `SessionStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testSessionStore (t: Test, openStore: (t: Test) => Promise<SessionStore>): void {
  t.test('what was created is found, whole', async (t) => {
    const store = await openStore(t)
    const session = anySession({ tokens: { accessToken: '令牌\u0000"\\', expiresAt: 1 } })
    await store.create(session)
    t.strictSame(await store.find(session.ref), session)
    t.equal(await store.find(anySession().ref), undefined)
  })

  t.test('as long as a session is unchanged, find gives the same object; after a change another one', async (t) => {
    const store = await openStore(t)
    const session = anySession()
    await store.create(session)
    const first = await store.find(session.ref)
    t.equal(await store.find(session.ref), first)
    t.equal(await store.replace({ ...session, lastSeenAt: 5, revision: 2 }), true)
    const second = await store.find(session.ref)
    t.not(second, first)
    t.equal(second?.lastSeenAt, 5)
  })

  t.test('replace compares the revision: what another has changed meanwhile is not overwritten', async (t) => {
    const store = await openStore(t)
    const session = anySession()
    await store.create(session)
    t.equal(await store.replace({ ...session, clientId: 'b', revision: 2 }), true)
    t.equal(await store.replace({ ...session, clientId: 'c', revision: 2 }), false)
    t.equal(await store.replace({ ...session, clientId: 'd', revision: 5 }), false)
    t.match(await store.find(session.ref), { clientId: 'b', revision: 2 })
  })

  t.test('of 50 replacements at once exactly one goes through', async (t) => {
    const store = await openStore(t)
    const session = anySession()
    await store.create(session)
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => store.replace({ ...session, clientId: `c${index}`, revision: 2 })))
    t.equal(outcomes.filter(Boolean).length, 1)
    t.equal((await store.find(session.ref))?.clientId, `c${outcomes.indexOf(true)}`)
  })

  t.test('T-13: an ended session is gone with its tokens, and no write in flight brings it back', async (t) => {
    const store = await openStore(t)
    const session = anySession()
    await store.create(session)
    await store.find(session.ref)
    t.equal(await store.end(session.ref), true)
    t.equal(await store.replace({ ...session, revision: 2 }), false)
    t.equal(await store.find(session.ref), undefined)
    t.equal(await store.end(session.ref), false)
    const wanted = anySession()
    await store.create(wanted)
    const ends = await Promise.all(Array.from({ length: 20 }, () => store.end(wanted.ref)))
    t.equal(ends.filter(Boolean).length, 1, 'of many ends at once one has ended it')

    const raced = anySession()
    await store.create(raced)
    const replace = (revision: number) => store.replace({ ...raced, revision })
    await Promise.all([replace(2), store.end(raced.ref), replace(2), replace(3)])
    t.equal(await store.find(raced.ref), undefined)
    t.equal(await store.replace(raced), false, 'nor as if it were new')
    t.equal(await store.find(raced.ref), undefined)
  })

  t.test('C-23: sweep removes exactly what is over or idle, at the border too', async (t) => {
    const store = await openStore(t)
    const kept = [anySession({ endsAt: 1_001, lastSeenAt: 501 }), anySession({ endsAt: 9_000, lastSeenAt: 900 })]
    const due = [
      anySession({ endsAt: 1_000, lastSeenAt: 999 }),
      anySession({ endsAt: 9_000, lastSeenAt: 500 }),
      anySession({ endsAt: 1, lastSeenAt: 1 }),
    ]
    await Promise.all([...kept, ...due].map((session) => store.create(session)))
    t.equal(await store.sweep(1_000, 500), due.length)
    for (const session of kept) t.strictSame(await store.find(session.ref), session)
    for (const session of due) t.equal(await store.find(session.ref), undefined)
    t.equal(await store.sweep(1_000, 500), 0)
  })

  t.test('a sweep of many goes through all of them', async (t) => {
    const store = await openStore(t)
    const many = Array.from({ length: 1_200 }, (_, index) => anySession({ endsAt: index % 3 === 0 ? 10 : 30 }))
    await inWaves(many, (session) => store.create(session))
    t.equal(await store.sweep(20, 0), 400)
    const left = await Promise.all(many.map((session) => store.find(session.ref)))
    t.same(left.map((session) => session !== undefined), many.map(({ endsAt }) => endsAt === 30))
  })

  t.test('an unknown reference is no session, however odd', async (t) => {
    const store = await openStore(t)
    await store.create(anySession())
    for (const ref of ['x', '\u0000', '__proto__', 'é', ' '.repeat(400)]) t.equal(await store.find(ref as SessionRef), undefined)
  })

  t.test('C-28, C-29: a scope lists its own sessions, each once and whole; names that are nearly alike never mix', async (t) => {
    const store = await openStore(t)
    const names = ['a', 'A', 'a ', 'aa', 'a:b', 'a}', '{a', 'a\u0000', 'b', 'a%3Ab', '张', '~', '"', 'a","b', '']
    const sessions = names.flatMap((first) => names.slice(0, 6).map((second) => anySession({
      tenantId: first as TenantId, appId: second as AppId, userName: `${second}${first}` as UserName,
    })))
    // What joined parts would make of two different people.
    const twins = [['t', 'x', 'yz'], ['t', 'xy', 'z'], ['tx', 'y', 'z'], ['t', 'x:y', 'z'], ['t', 'x', 'y:z']].map(([tenantId, appId, userName]) =>
      anySession({ tenantId: tenantId as TenantId, appId: appId as AppId, userName: userName as UserName }))
    const second = anySession(twins[0])
    await Promise.all([...sessions, ...twins].map((session) => store.create(session)))
    await store.create({ ...second, ref: anySession().ref })

    const all = await refsOf(store.list({ kind: 'all' }))
    t.equal(all.length, sessions.length + twins.length + 1)
    t.equal(new Set(all).size, all.length)
    for (const tenantId of new Set([...sessions, ...twins].map((session) => session.tenantId))) {
      const expected: Session[] = []
      for await (const session of store.list({ kind: 'tenant', tenantId })) expected.push(session)
      t.ok(expected.length > 0 && expected.every((session) => session.tenantId === tenantId), tenantId)
      t.equal(expected.length, [...sessions, ...twins].filter((session) => session.tenantId === tenantId).length + (tenantId === 't' ? 1 : 0), tenantId)
    }
    for (const session of sessions) t.strictSame(await refsOf(store.list({ kind: 'user', ...session })), [session.ref])
    t.equal((await refsOf(store.list({ kind: 'user', ...twins[0] as Session }))).length, 2)
    for (const scope of [{ kind: 'tenant', tenantId: 'nobody' }, { kind: 'user', tenantId: 'a', appId: 'a', userName: 'nobody' }]) {
      t.strictSame(await refsOf(store.list(scope as SessionScope)), [])
    }
    for await (const session of store.list({ kind: 'user', ...sessions[3] as Session })) t.strictSame(session, sessions[3])
  })

  t.test('what has ended or was swept is not listed, what was replaced still is, as it is now', async (t) => {
    const store = await openStore(t)
    const [ended, swept, replaced, other] = [anySession(), anySession({ endsAt: 5 }), anySession(), anySession()] as const
    for (const session of [ended, swept, replaced, other]) await store.create(session)
    await store.end(ended.ref)
    await store.replace({ ...replaced, clientId: 'client-2', revision: 2 })
    t.equal(await store.sweep(10, 0), 1)
    for (const scope of [{ kind: 'all' }, { kind: 'tenant', tenantId: other.tenantId }, { kind: 'user', ...other }] as const) {
      const listed: Session[] = []
      for await (const session of store.list(scope)) listed.push(session)
      t.strictSame(listed.map(({ ref }) => ref).sort(), [replaced.ref, other.ref].sort(), scope.kind)
      t.equal(listed.find(({ ref }) => ref === replaced.ref)?.clientId, 'client-2')
    }
    await store.replace({ ...ended, revision: 2 })
    t.equal((await refsOf(store.list({ kind: 'all' }))).length, 2, 'T-13: no write in flight brings it back to the list')
  })

  t.test('thousands are listed in slices, also while others begin and end', async (t) => {
    const store = await openStore(t)
    const many = Array.from({ length: 1_100 }, (_, index) => anySession({ userName: `user-${index % 3}` as UserName }))
    await inWaves(many, (session) => store.create(session))
    t.strictSame(await refsOf(store.list({ kind: 'tenant', tenantId: many[0]?.tenantId as TenantId })), many.map(({ ref }) => ref).sort())
    t.equal((await refsOf(store.list({ kind: 'user', ...many[0] as Session }))).length, 367)
    const ends = many.filter((_, index) => index % 2 === 0)
    const stays = many.filter((_, index) => index % 2 === 1).map(({ ref }) => ref)
    const [listed] = await Promise.all([refsOf(store.list({ kind: 'all' })), inWaves(ends, ({ ref }) => store.end(ref))])
    t.strictSame(stays.filter((ref) => !listed.includes(ref)), [], 'none of those that stay is passed over')
    t.equal(new Set(listed).size, listed.length)
    t.strictSame(await refsOf(store.list({ kind: 'all' })), stays.sort())
  })

  t.test('C-23: a session that is seen again and again is not swept as idle, however often the sweep comes', async (t) => {
    const store = await openStore(t)
    let session = anySession({ endsAt: 9_000, lastSeenAt: 100 })
    const idle = anySession({ endsAt: 9_000, lastSeenAt: 150 })
    await store.create(session)
    await store.create(idle)
    let swept = 0
    for (let now = 200; now <= 1_000; now += 100) {
      session = { ...session, lastSeenAt: now - 50, revision: session.revision + 1 }
      t.equal(await store.replace(session), true)
      swept += await store.sweep(now, now - 100)
    }
    t.equal(swept, 1)
    t.strictSame(await refsOf(store.list({ kind: 'all' })), [session.ref])
    t.equal(await store.sweep(1_200, 950), 1, 'and it goes when it is idle itself')
  })
}
