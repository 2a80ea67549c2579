import { mock } from 'node:test'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose'
import t from 'tap'
import { identityHeaders } from '../../src/base/header-names.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../src/base/signing-key-store.ts'
import { createSigningKey } from '../../src/forward/create-signing-key.ts'
import { judgeSigningKeys } from '../../src/forward/judge-signing-keys.ts'
import { revokeSigningKeys, rotateSigningKeys } from '../../src/forward/rotate-signing-keys.ts'
import { loadSigningKeys, type HistoricalJwk } from '../../src/forward/signing-keys.ts'
import { watchSigningKeys } from '../../src/forward/watch-signing-keys.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import { signErasureReceipt } from '../../src/telemetry/sign-erasure-receipt.ts'
import { MemoryKeyStore, requestText, startGateway, startUpstream, talk, valuesOf, type ForwardGateway, type RecordingUpstream } from '../support/forward-gateway.ts'
import { ManualClock } from '../support/manual-clock.ts'

const second = 1_000
const minute = 60_000

interface House { readonly gateway: ForwardGateway, readonly upstream: RecordingUpstream, readonly keyStore: SigningKeyStore }

async function openHouse (t: Parameters<typeof startUpstream>[0], keyStore: SigningKeyStore = new MemoryKeyStore()): Promise<House> {
  const upstream = await startUpstream(t)
  return { gateway: await startGateway(t, { upstream: upstream.url, keyStore }), upstream, keyStore }
}

async function assertionFrom ({ gateway, upstream }: House): Promise<string> {
  await talk(gateway.port, requestText('/a'))
  return valuesOf(upstream.seen.pop()?.rawHeaders ?? [], identityHeaders.assertion)[0] ?? ''
}

async function published ({ gateway }: House): Promise<JSONWebKeySet> {
  return (await gateway.app.inject('/_gate/jwks.json')).json()
}

async function historical ({ gateway }: House): Promise<{ keys: HistoricalJwk[] }> {
  return (await gateway.app.inject('/_gate/historical-jwks.json')).json()
}

const kidsOf = ({ keys }: { keys: ReadonlyArray<{ kid?: string }> }): Array<string | undefined> => keys.map(({ kid }) => kid)
const kidOf = (token: string): string | undefined => decodeProtectedHeader(token).kid
const privateParts = async (store: SigningKeyStore): Promise<boolean[]> => (await store.list()).map(({ jwk }) => 'd' in JSON.parse(jwk.reveal()))

function verify (token: string, keys: JSONWebKeySet, now: number): Promise<unknown> {
  const currentDate = new Date(now)
  return jwtVerify(token, createLocalJWKSet(keys), { algorithms: ['ES256'], typ: 'gateway-identity+jwt', currentDate, clockTolerance: 120 })
}

/** An application that looks for no key that it doesn't know: its library keeps the set for ten minutes, a cache on the way for five. */
function openPatientUpstream (fetchKeys: () => Promise<JSONWebKeySet>) {
  const onTheWay = { keys: { keys: [] } as JSONWebKeySet, at: -Infinity }
  const own = { keys: onTheWay.keys, at: -Infinity }
  return async (now: number): Promise<JSONWebKeySet> => {
    if (now - own.at >= 600 * second) {
      if (now - onTheWay.at >= 300 * second) Object.assign(onTheWay, { keys: await fetchKeys(), at: now })
      Object.assign(own, { keys: onTheWay.keys, at: now })
    }
    // The cache on the way is asked by others too, and so is as old as it can be when our turn comes.
    if (now - onTheWay.at >= 300 * second) Object.assign(onTheWay, { keys: await fetchKeys(), at: now })
    return own.keys
  }
}

t.test('C-46 T-37 rotating between requests loses none, on two gateways whose clocks differ and with every cache as old as it may be', { timeout: 90_000 }, async (t) => {
  const keyStore = new MemoryKeyStore()
  const houses = [await openHouse(t, keyStore), await openHouse(t, keyStore)] as const
  const [ahead, behind] = houses
  ahead.gateway.clock.advance(2 * minute)
  const upstreams = [openPatientUpstream(() => published(ahead)), openPatientUpstream(() => published(behind))]
  const setsSeen = new Set<string>()
  const signers = new Set<string | undefined>()
  const [first] = kidsOf(await published(ahead))
  const alive: Array<{ token: string, clock: ManualClock, until: number }> = []
  let next: string | undefined
  let turnedAt = 0
  for (let step = 0; step < 200; step++) {
    if (step === 7) next = (await rotateSigningKeys(keyStore, behind.gateway.clock)).key.kid
    for (const [index, house] of houses.entries()) {
      const { clock } = house.gateway
      if (step % 2 === index) await house.gateway.keys.look()
      const token = await assertionFrom(house)
      for (const keysOf of upstreams) await verify(token, await keysOf(clock.now()), clock.now())
      // And one that fetches the keys each time, from either gateway, and takes an assertion as long as it lives.
      if (!alive.some((known) => known.token === token)) alive.push({ token, clock, until: (decodeJwt(token).exp ?? 0) * second })
      const set = await published(houses[(step + index) % 2] ?? house)
      for (const { token, clock, until } of alive) if (clock.now() < until) await verify(token, set, clock.now())
      while ((alive[0]?.until ?? Infinity) <= (alive[0]?.clock.now() ?? 0)) alive.shift()
      signers.add(kidOf(token))
      if (house === behind && kidOf(token) === next && turnedAt === 0) turnedAt = step
      setsSeen.add(kidsOf(await published(house)).map((kid) => kid === first ? 'old' : 'new').join())
      clock.advance(31 * second)
    }
  }
  t.strictSame([...signers], [first, next])
  t.strictSame([...setsSeen], ['old', 'old,new', 'new'], 'the next key is shown before its use and the old one after; then it is gone')
  t.ok((turnedAt - 7) * 31 * second >= 10 * minute, 'published ten minutes at least before it signs')
  t.strictSame(await privateParts(keyStore), [false, true], 'and the old private key is nowhere any more')
  t.match(await historical(ahead), { keys: [{ kid: first, iat: Number, exp: Number }, { kid: next }] }, 'its public part is')
})

t.test('a session\'s assertion is signed anew as soon as another key signs, though it would have lived on', async (t) => {
  const house = await openHouse(t)
  const { gateway: { clock, keys }, keyStore } = house
  const { key } = await rotateSigningKeys(keyStore, clock)
  await keys.look()
  clock.advance(key.signsFrom - clock.now() - 1)
  const before = await assertionFrom(house)
  clock.advance(1)
  const after = await assertionFrom(house)
  t.not(kidOf(before), key.kid)
  t.equal(kidOf(after), key.kid)
  await verify(before, await published(house), clock.now())
  t.equal(await assertionFrom(house), after)
})

t.test('two who rotate at once agree on one next key, and a second rotation waits for the first', async (t) => {
  const clock = new ManualClock()
  const store = new MemoryKeyStore()
  const empty = await rotateSigningKeys(new MemoryKeyStore(), clock)
  t.equal(empty.key.signsFrom, clock.now(), 'where no gateway has run yet nobody waits')
  await loadSigningKeys(store, clock)
  const rotations = await Promise.all([1, 2, 3, 4].map(() => rotateSigningKeys(store, clock)))
  t.equal(new Set(rotations.map(({ key }) => key.kid)).size, 1)
  t.equal(rotations.filter(({ isNew }) => isNew).length, 1)
  clock.advance(rotations[0]!.key.signsFrom - clock.now())
  const third = await rotateSigningKeys(store, clock)
  t.ok(third.isNew)
  t.strictSame(judgeSigningKeys(await store.list(), clock.now()).map(({ state }) => state), ['retired', 'current', 'next'])
})

t.test('--now: after a leak no key from before counts, not even one that waits for its turn', async (t) => {
  const house = await openHouse(t)
  const { gateway: { clock, keys }, keyStore } = house
  const leaked = await assertionFrom(house)
  const waiting = await rotateSigningKeys(keyStore, clock)
  clock.advance(minute)
  const revoke = () => revokeSigningKeys(keyStore, clock)
  const both = await Promise.all([revoke(), revoke(), rotateSigningKeys(keyStore, clock)])
  const [{ key }] = both
  t.equal(both[1].key.kid, key.kid, 'two who see the leak make one key')
  t.equal(both.slice(0, 2).filter(({ isNew }) => isNew).length, 1)
  t.strictSame((await privateParts(keyStore)).slice(0, 2), [false, false], 'the leaked keys are out of the store before any gateway has looked')
  t.equal(await assertionFrom(house), leaked, 'this gateway has not looked yet')
  await keys.look()
  const token = await assertionFrom(house)
  t.equal(kidOf(token), key.kid, 'and then hands out nothing of the old key')
  const set = await published(house)
  t.notOk(kidsOf(set).includes(kidOf(leaked)))
  t.notOk(kidsOf(set).includes(waiting.key.kid))
  await verify(token, set, clock.now())
  await t.rejects(verify(leaked, set, clock.now()), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  const revoked = { revoked_at: Math.floor(key.createdAt / second), reason: 'compromised' }
  t.match(await historical(house), { keys: [{ revoked }, { revoked }, { kid: key.kid }] })

  clock.advance(30 * minute)
  t.ok((await rotateSigningKeys(keyStore, clock)).key.follows !== undefined)
  t.equal((await revokeSigningKeys(keyStore, clock)).isNew, true, 'a second leak is another one')
  const empty = await revokeSigningKeys(new MemoryKeyStore(), clock)
  t.equal(empty.isNew, true)
})

t.test('a key that was over before a leak was not part of it', async (t) => {
  const clock = new ManualClock()
  const store = new MemoryKeyStore()
  await rotateSigningKeys(store, clock)
  const { key } = await rotateSigningKeys(store, clock)
  clock.advance(key.signsFrom - clock.now() + 60 * minute)
  await revokeSigningKeys(store, clock)
  t.strictSame(judgeSigningKeys(await store.list(), clock.now()).map(({ state }) => state), ['ended', 'revoked', 'current'])
})

t.test('while the store is away the keys that are known take their turns; a look that fails changes nothing', async (t) => {
  const clock = new ManualClock()
  const store = new MemoryKeyStore()
  let isAway = false
  const keys = await loadSigningKeys({
    list: async () => { if (isAway) throw new Error('away'); return await store.list() },
    save: (key) => store.save(key),
    replace: (key) => store.replace(key),
  }, clock)
  const before = keys.current()
  const { key } = await rotateSigningKeys(store, clock)
  await keys.look()
  isAway = true
  clock.advance(19 * minute)
  await t.rejects(keys.look())
  t.equal(keys.current(), before)
  clock.advance(minute)
  t.equal(keys.current().kid, key.kid)
  t.strictSame(kidsOf(keys.jwks()), [before.kid, key.kid])
  clock.advance(60 * minute)
  t.strictSame(kidsOf(keys.jwks()), [key.kid])
  t.strictSame(await privateParts(store), [true, true])
  isAway = false
  await keys.look()
  t.strictSame(await privateParts(store), [false, true], 'made up for afterwards')
})

t.test('a clock that is far behind or ahead leaves no gateway without a key', async (t) => {
  const [store, clock] = [new MemoryKeyStore(), new ManualClock()]
  await loadSigningKeys(store, clock)
  const { key } = await rotateSigningKeys(store, clock)
  const behind = await loadSigningKeys(store, new ManualClock(clock.now() - 86_400_000))
  t.not(behind.current().kid, key.kid)
  const ahead = await loadSigningKeys(store, new ManualClock(clock.now() + 86_400_000))
  t.equal(ahead.current().kid, key.kid)
  await behind.look()
  t.equal(behind.current().kid, key.kid, 'the other one has thrown the old key away')
  const keys: StoredSigningKey[] = [await createSigningKey({ createdAt: 5, signsFrom: 5 })]
  t.strictSame(judgeSigningKeys(keys, 0).map(({ state, signsUntil }) => [state, signsUntil]), [['current', Infinity]])
})

t.test('a receipt of an erasure is verified when its key has long been gone from jwks.json', async (t) => {
  const house = await openHouse(t)
  const { gateway: { clock, keys }, keyStore } = house
  const summary = { kind: 'instance', instanceId: 'i' as never, version: '0' as never, tenants: 1, bindings: 1, accounts: 1, departments: 0 } as const
  const receipt = await signErasureReceipt({ ...keys.current(), issuer: 'https://app.example.com' }, summary, clock.now())
  const { key } = await rotateSigningKeys(keyStore, clock)
  clock.advance(key.signsFrom - clock.now() + 60 * minute)
  await keys.look()
  await t.rejects(jwtVerify(receipt, createLocalJWKSet(await published(house))), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  const keySet = await historical(house)
  await jwtVerify(receipt, createLocalJWKSet(keySet as JSONWebKeySet), { typ: 'erasure-receipt+jwt', issuer: 'https://app.example.com' })
  t.notMatch(JSON.stringify(keySet), '"d"')
})

t.test('the stored keys are looked at every 20 seconds, at once when told that anything may have changed, and never after the end', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => { mock.timers.reset() })
  const clock = new ManualClock()
  const store = new MemoryKeyStore()
  const keys = await loadSigningKeys(store, clock)
  const changes = createChangeFeed()
  const lines: unknown[] = []
  let looks = 0
  const look = async (): Promise<void> => {
    looks++
    await keys.look()
  }
  const watch = watchSigningKeys({ keys: { ...keys, look }, changes, log: (level, fields) => { lines.push({ level, ...fields }) } })
  t.teardown(() => { watch.close() })
  const before = keys.current().kid
  await revokeSigningKeys(store, clock)

  mock.timers.tick(19_999)
  t.equal(looks, 0)
  mock.timers.tick(1)
  t.equal(looks, 1)
  while (lines.length === 0) await new Promise(setImmediate)
  t.not(keys.current().kid, before, 'another process has made it')
  t.match(lines, [{ level: 'info', event: 'signing-keys.changed', kid: keys.current().kid, before }])
  mock.timers.tick(20_000)
  t.equal(looks, 2)
  changes.tell({ kind: 'anything' })
  t.equal(looks, 3)

  watch.close()
  mock.timers.tick(60_000)
  changes.tell({ kind: 'anything' })
  t.equal(looks, 3)
})
