import type { Test } from 'tap'
import type { SessionRef } from '../../src/session/session.ts'
import type { SessionStore } from '../../src/session/session-store.ts'
import { anySession } from '../support/any-session.ts'

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
    const many = Array.from({ length: 2_100 }, (_, index) => anySession({ endsAt: index % 3 === 0 ? 10 : 30 }))
    await Promise.all(many.map((session) => store.create(session)))
    t.equal(await store.sweep(20, 0), 700)
    const left = await Promise.all(many.map((session) => store.find(session.ref)))
    t.same(left.map((session) => session !== undefined), many.map(({ endsAt }) => endsAt === 30))
  })

  t.test('an unknown reference is no session, however odd', async (t) => {
    const store = await openStore(t)
    await store.create(anySession())
    for (const ref of ['x', '\u0000', '__proto__', 'é', ' '.repeat(400)]) t.equal(await store.find(ref as SessionRef), undefined)
  })
}
