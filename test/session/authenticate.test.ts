import fc from 'fast-check'
import t from 'tap'
import { createRandomId } from '../../src/base/random-id.ts'
import { cookieNames, cookieValues, isOwnCookie } from '../../src/session/cookies.ts'
import type { Session } from '../../src/session/session.ts'
import { endSessions } from '../../src/session/start-session.ts'
import { accountsPush, applicationPush, tenantPush, tenantId, userName, versionAt } from '../support/directory-pushes.ts'
import { contractRules, createPush, renewPush, statusPush } from '../support/instance-pushes.ts'
import { cookieOf, limits, openSessionHouse, refOf, tokenLifeMs } from '../support/session-house.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'
import type { Role, TenantId } from '../../src/directory/model.ts'

const idleMs = limits.idleTimeoutSeconds * 1_000
const absoluteMs = limits.absoluteTimeoutSeconds * 1_000

t.test('a signed-in person is let in, by cookie alone', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  t.match(await house.authenticate(cookie), {
    kind: 'allow',
    principal: { tenantId, tenantName: 'Acme', userName, name: '张三', role: 'user' },
    session: { ref: refOf(cookie), clientId: 'client-1', tokens: { accessToken: 'access-1' } },
  })
  t.match(await house.authenticate(`a=b; ${cookie}; c=d`), { kind: 'allow' })
  t.match(cookie, /^__Host-jointgate=[\w-]{43}$/, '256 bits')
})

t.test('C-23: idle limit, exact to the millisecond, and what was idle is gone', async (t) => {
  const house = await openSessionHouse(t)
  const [living, idle] = [await house.signIn(), await house.signIn()]
  house.clock.advance(idleMs - 1)
  t.match(await house.authenticate(living), { kind: 'allow' })
  await house.settle()
  house.clock.advance(1)
  t.strictSame(await house.authenticate(idle), { kind: 'login', because: 'session-idle' })
  t.strictSame(await house.authenticate(idle), { kind: 'login', because: 'session-unknown' })
  t.equal(await house.find(idle), undefined)
  t.match(await house.authenticate(living), { kind: 'allow' }, 'a request starts the idle time anew')
})

t.test('C-23: absolute limit, exact to the millisecond, which no activity moves', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn({ expiresAt: house.clock.now() + 2 * absoluteMs })
  const end = house.clock.now() + absoluteMs
  while (house.clock.now() + idleMs / 2 < end) {
    house.clock.advance(idleMs / 2)
    t.match(await house.authenticate(cookie), { kind: 'allow' })
    await house.settle()
  }
  house.clock.set(end - 1)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.settle()
  house.clock.set(end)
  t.strictSame(await house.authenticate(cookie), { kind: 'login', because: 'session-expired' })
  t.equal(await house.find(cookie), undefined)
})

t.test('a clock that was set back ends no session', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  house.clock.advance(-10_000)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
})

t.test('C-32: of two session cookies neither is used, whatever they hold', async (t) => {
  const house = await openSessionHouse(t)
  const [one, two] = [await house.signIn(), await house.signIn()]
  for (const header of [`${one}; ${two}`, `${one}; ${one}`, `__Host-jointgate=; ${one}`, `${one};__Host-jointgate=x`, `${one}; x=y; __Host-jointgate = x`]) {
    t.strictSame(await house.authenticate(header), { kind: 'login', because: 'cookie-ambiguous' }, header)
  }
  t.match(await house.authenticate(one), { kind: 'allow' }, 'and none was ended by it')
})

t.test('C-22: an unknown id is no session and is never adopted', async (t) => {
  const house = await openSessionHouse(t)
  const known = (await house.signIn()).slice('__Host-jointgate='.length)
  const other = known.startsWith('A') ? 'B' : 'A'
  for (const id of [createRandomId(), '', 'x', refOf(cookieOf(known)), `"${known}"`, `${known}=`, known.slice(1), `${known}${known}`, other + known.slice(1), encodeURIComponent(`${known} `), '../x']) {
    t.strictSame(await house.authenticate(cookieOf(id)), { kind: 'login', because: 'session-unknown' }, id)
    t.equal(await house.find(cookieOf(id)), undefined)
  }
  for (const header of [undefined, '', 'a=b', '__Host-jointgate-flow-x=1', '__host-jointgate=x', 'x__Host-jointgate=1', '__Host-jointgate', '=__Host-jointgate=x']) {
    t.strictSame(await house.authenticate(header), { kind: 'login', because: 'no-cookie' }, header ?? 'none')
  }
})

t.test('T-27: a cookie under a name that is ours only after trimming Unicode blanks is not ours', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  for (const blank of ['\u00a0', '\u0085', '\u000b', '\u000c', '\ufeff', '\u2003']) {
    t.strictSame(await house.authenticate(`${blank}${cookie}`), { kind: 'login', because: 'no-cookie' })
    t.match(await house.authenticate(`${blank}__Host-jointgate=planted; ${cookie}`), { kind: 'allow' }, 'nor does it make ours ambiguous')
  }
  t.match(await house.authenticate(` \t${cookie}\t `), { kind: 'allow' }, 'RFC 6265bis white space is trimmed')
})

t.test('the rows are read once, and again only after a push for the tenant', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  for (let round = 0; round < 5; round++) await house.authenticate(cookie)
  t.equal(house.counts.views, 1)
  await house.push(tenantPush(9, { tenantId: 'tenant-2' as TenantId }))
  await house.push(tenantPush(9, { realm: 'test', change: 'delete' }))
  await house.authenticate(cookie)
  t.equal(house.counts.views, 1, 'another tenant\'s push, or the test realm\'s, is none of ours')
  await house.push(accountsPush(2, { change: 'modify', accounts: [{ userName, name: 'Renamed', details: {} }] }))
  t.match(await house.authenticate(cookie), { kind: 'allow', principal: { name: 'Renamed', role: 'user' } })
  await house.authenticate(cookie)
  t.equal(house.counts.views, 2)
  await house.signIn()
  await house.authenticate(cookie)
  t.equal(house.counts.views, 2)
})

for (const [before, after] of [['user', 'admin'], ['admin', 'user']] as const) {
  t.test(`T-12, T-19: another role than at the sign-in (${before} → ${after}) ends the session at the next request`, async (t) => {
    const house = await openSessionHouse(t)
    const give = (second: number, role: Role) => house.push(accountsPush(second, { change: 'modify', accounts: [{ userName, role, details: {} }] }))
    await give(2, before)
    const cookie = await house.signIn({}, undefined, before)
    t.match(await house.authenticate(cookie), { kind: 'allow', principal: { role: before } })
    await give(3, after)
    t.strictSame(await house.authenticate(cookie), { kind: 'login', because: 'role-changed' })
    await give(4, before)
    t.strictSame(await house.authenticate(cookie), { kind: 'login', because: 'session-unknown' }, 'and stays ended')
  })
}

const disabled = { accounts: [{ userName, name: '张三', isEnabled: false, details: {} }] }
const losses: Array<[reason: string, loss: Exclude<PushMessage, { kind: 'instance' }>, back: PushMessage]> = [
  ['authorisation-withdrawn', accountsPush(2, { change: 'revoke' }), accountsPush(3)],
  ['authorisation-withdrawn', accountsPush(2, { change: 'delete' }), accountsPush(3)],
  ['account-disabled', accountsPush(2, { change: 'modify', ...disabled }), accountsPush(3)],
  ['tenant-closed', tenantPush(2, { change: 'delete' }), tenantPush(3)],
  ['binding-missing', applicationPush(2, { change: 'delete' }), applicationPush(3)],
]

for (const [reason, loss, back] of losses) {
  t.test(`T-11: a ${loss.kind} push (${loss.change}) ends the session at the next request: ${reason}`, async (t) => {
    const house = await openSessionHouse(t)
    const [asked, quiet] = [await house.signIn(), await house.signIn()]
    for (const cookie of [asked, quiet]) t.match(await house.authenticate(cookie), { kind: 'allow' })
    await house.push(loss)
    t.strictSame(await house.authenticate(asked), { kind: 'refuse', reason, ref: refOf(asked) })
    t.equal(await house.find(asked), undefined, 'with its tokens')
    t.strictSame(await house.authenticate(asked), { kind: 'login', because: 'session-unknown' })

    await house.push(back)
    t.strictSame(await house.authenticate(asked), { kind: 'login', because: 'session-unknown' })
    t.strictSame(await house.authenticate(quiet), { kind: 'refuse', reason: 'authorisation-withdrawn', ref: refOf(quiet) }, 'also one that made no request meanwhile')
    t.equal(await house.find(quiet), undefined)
  })
}

t.test('what is open of a session that another worker has ended hears why, not only that it is over', async (t) => {
  for (const [reason, loss] of losses) {
    const house = await openSessionHouse(t)
    const cookie = await house.signIn()
    const known = await house.find(cookie) as Session
    await house.push(loss)
    await house.authenticate(cookie)
    t.equal(await house.find(cookie), undefined, 'the other one was first')
    t.strictSame(await house.recheck(known), { kind: 'refuse', reason, ref: known.ref })
  }
  const house = await openSessionHouse(t)
  const cookie = await house.signIn({}, undefined, 'user')
  const known = await house.find(cookie) as Session
  await house.storage.sessions.end(known.ref)
  t.strictSame(await house.recheck(known), { kind: 'login', because: 'session-unknown' }, 'signed out: nothing was lost')
  await house.push(accountsPush(2, { change: 'modify', accounts: [{ userName, role: 'admin', details: {} }] }))
  t.strictSame(await house.recheck(known), { kind: 'login', because: 'role-changed' })
})

t.test('the clock alone changes what a decision says: grace, then expired, without a push', async (t) => {
  const day = 86_400_000
  const house = await openSessionHouse(t, { idleTimeoutSeconds: 172_800, absoluteTimeoutSeconds: 864_000 }, {
    graceDays: 1, grace: 'full', expired: 'read-only', frozen: 'renew', released: 'refuse',
  })
  const start = house.clock.now()
  await house.push(createPush('instance-1', start, { expiresAt: start + day }))
  const cookie = await house.signIn({ expiresAt: start + 30 * day })
  const access = async (at: number): Promise<unknown> => {
    house.clock.set(at)
    const authentication = await house.authenticate(cookie)
    await house.settle()
    return authentication.kind === 'allow' ? authentication.principal.access : authentication
  }
  t.equal(await access(start), 'full')
  t.equal(await access(start + 1), 'full')
  t.equal(house.counts.views, 1)
  t.equal(await access(start + day - 1), 'full')
  t.equal(await access(start + day), 'full', 'grace')
  t.equal(await access(start + 2 * day - 1), 'full')
  const views = house.counts.views
  t.equal(await access(start + 2 * day), 'read-only', 'to the millisecond')
  t.equal(house.counts.views, views + 1)
  await house.push(renewPush('instance-1', start + 2 * day, start + 30 * day))
  t.equal(await access(start + 2 * day + 1), 'full', 'the renewal counts at the next request, in the same session')
})

t.test('an expiry whose rule is "renew" ends the session by the clock alone, and says that renewing helps', async (t) => {
  const house = await openSessionHouse(t, {}, { ...contractRules, graceDays: 0 })
  const start = house.clock.now()
  await house.push(createPush('instance-1', start, { expiresAt: start + 1_000 }))
  const cookie = await house.signIn()
  house.clock.advance(999)
  t.match(await house.authenticate(cookie), { kind: 'allow' })
  house.clock.advance(1)
  t.strictSame(await house.authenticate(cookie), { kind: 'refuse', reason: 'instance-expired', isRenewable: true, ref: refOf(cookie) })
  t.equal(await house.find(cookie), undefined)
})

t.test('taking a freeze back revives no session, asked meanwhile or not', async (t) => {
  const house = await openSessionHouse(t)
  const start = house.clock.now()
  await house.push(createPush('instance-1', start))
  const [asked, quiet] = [await house.signIn(), await house.signIn()]
  for (const cookie of [asked, quiet]) t.match(await house.authenticate(cookie), { kind: 'allow' })
  await house.push(statusPush('instance-1', start + 1, 'frozen'))
  t.strictSame(await house.authenticate(asked), { kind: 'refuse', reason: 'instance-frozen', isRenewable: true, ref: refOf(asked) })
  await house.push(statusPush('instance-1', start + 2, 'normal'))
  t.strictSame(await house.authenticate(asked), { kind: 'login', because: 'session-unknown' })
  t.strictSame(await house.authenticate(quiet), { kind: 'refuse', reason: 'authorisation-withdrawn', ref: refOf(quiet) })
})

t.test('after access came back a new sign-in, which knows of the loss, is let in', async (t) => {
  const house = await openSessionHouse(t)
  for (const push of [accountsPush(2, { change: 'revoke' }), accountsPush(3)]) await house.push(push)
  const cookie = await house.signIn()
  const session = await house.find(cookie) as Session
  await house.storage.sessions.replace({ ...session, knownLoss: versionAt(2), revision: 2 })
  t.match(await house.authenticate(cookie), { kind: 'allow' })
})

t.test('T-12: sign-in gives a new id whatever the browser brought, and what it brought is dead', async (t) => {
  const house = await openSessionHouse(t)
  const planted = await house.signIn()
  const another = await house.signIn()
  const fresh = await house.signIn({}, `${planted}; ${another}; __Host-jointgate=${createRandomId()}`)
  t.not(fresh, planted)
  t.match(await house.authenticate(fresh), { kind: 'allow' })
  for (const old of [planted, another]) {
    t.equal(await house.find(old), undefined)
    t.strictSame(await house.authenticate(old), { kind: 'login', because: 'session-unknown' })
  }
  const unknown = createRandomId()
  await house.signIn({}, cookieOf(unknown))
  t.equal(await house.find(cookieOf(unknown)), undefined, 'C-22: an id that the browser made up stays unknown')
})

t.test('a new session holds the times that its limits give', async (t) => {
  const house = await openSessionHouse(t)
  const now = house.clock.now()
  const session = await house.find(await house.signIn())
  t.match(session, { createdAt: now, lastSeenAt: now, endsAt: now + absoluteMs, renewalDueAt: now + tokenLifeMs - 300_000, revision: 1, knownLoss: '' })
})

t.test('T-13: sign-out ends every session that the browser holds, and only those', async (t) => {
  const house = await openSessionHouse(t)
  const [one, two, other] = [await house.signIn(), await house.signIn(), await house.signIn()]
  await endSessions(house.storage, `${one}; ${two}; a=b`)
  for (const cookie of [one, two]) t.strictSame(await house.authenticate(cookie), { kind: 'login', because: 'session-unknown' })
  t.match(await house.authenticate(other), { kind: 'allow' })
  await t.resolves(endSessions(house.storage, undefined))
})

t.test('a sighting is written once a minute at most', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  const start = house.clock.now()
  for (let second = 0; second < 60; second++) {
    await house.authenticate(cookie)
    house.clock.advance(999)
  }
  t.equal(house.counts.replaces, 0)
  house.clock.set(start + 60_000)
  for (let request = 0; request < 3; request++) {
    await house.authenticate(cookie)
    await house.settle()
  }
  t.equal(house.counts.replaces, 1)
  t.match(await house.find(cookie), { lastSeenAt: start + 60_000, revision: 2 })
})

t.test('T-13: a sighting never brings an ended session back', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  house.clock.advance(61_000)
  await Promise.all([house.authenticate(cookie), house.storage.sessions.end(refOf(cookie)), house.authenticate(cookie)])
  await house.settle()
  t.equal(await house.find(cookie), undefined)
  t.same(house.faults, [])
})

t.test('C-35: a fault of the store is neither "no session" nor access', async (t) => {
  const house = await openSessionHouse(t)
  const cookie = await house.signIn()
  await house.authenticate(cookie)
  await house.storage.close()
  await t.rejects(house.authenticate(cookie), { code: 'GW_STORAGE_UNAVAILABLE' })
})

/** The rule of RFC 6265 §4.2.1 and §5.6 read letter by letter, slow and plain. */
function naiveCookieValues (header: string, wanted: string): string[] {
  const found: string[] = []
  const strip = (text: string): string => {
    if (text.startsWith(' ') || text.startsWith('\t')) return strip(text.slice(1))
    return text.endsWith(' ') || text.endsWith('\t') ? strip(text.slice(0, -1)) : text
  }
  let name = ''
  let value: string | undefined
  for (const letter of `${header};`) {
    if (letter === ';') {
      if (value !== undefined && strip(name) === wanted && name !== '') found.push(strip(value))
      name = ''
      value = undefined
    } else if (value !== undefined) value += letter
    else if (letter === '=') value = ''
    else name += letter
  }
  return found
}

t.test('C-32: every value under a name is found, as a slow and plain reading finds it', async () => {
  const piece = fc.constantFrom('a', 'b', 'ab', '=', ';', ' ', '\t', '"', ',', '; ', 'a=', '; a=1', 'A', '\u00a0', '%61', '__Host-jointgate', '\u00ff', '')
  const header = fc.oneof(fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')), fc.string())
  fc.assert(fc.property(header, fc.constantFrom('a', 'b', 'ab', '__Host-jointgate'), (header, name) => {
    return JSON.stringify(cookieValues(header, name)) === JSON.stringify(naiveCookieValues(header, name))
  }), { numRuns: 3_000 })
})

t.test('every cookie of ours is known as ours, and none is read as another', async (t) => {
  const { session, ...others } = cookieNames
  for (const name of Object.values(cookieNames)) t.ok(isOwnCookie(name), name)
  t.notOk(isOwnCookie('__Host-other'))
  t.notOk(isOwnCookie('__host-jointgate'))
  t.same(cookieValues(Object.values(others).map((name) => `${name}=1`).join('; '), session), [])
  t.same(cookieValues(undefined, session), [])
})
