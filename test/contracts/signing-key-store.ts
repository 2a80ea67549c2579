import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../src/base/signing-key-store.ts'

export function anySigningKey (kid: string, follows?: string): StoredSigningKey {
  const jwk = new Secret(JSON.stringify({ kty: 'EC', d: `private-part-of-${kid}` }))
  return { kid, createdAt: 1_000, follows, signsFrom: 2_000, revokesEarlier: false, isEnded: false, jwk }
}

/** What every `SigningKeyStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testSigningKeyStore (t: Test, openStore: (t: Test) => Promise<SigningKeyStore>): void {
  const kidsOf = async (store: SigningKeyStore): Promise<string[]> => (await store.list()).map(({ kid }) => kid)

  t.test('a key is kept as it is', async (t) => {
    const store = await openStore(t)
    t.same(await store.list(), [])
    const keys = [anySigningKey('a'), { ...anySigningKey('b', 'a'), revokesEarlier: true, signsFrom: 5_000 }]
    for (const key of keys) t.equal(await store.save(key), true)
    const listed = await store.list()
    t.strictSame(listed.map(({ jwk, ...rest }) => rest), keys.map(({ jwk, ...rest }) => rest))
    t.strictSame(listed.map(({ jwk }) => jwk.reveal()), keys.map(({ jwk }) => jwk.reveal()))
  })

  t.test('keys stand behind those that they follow, whatever the clocks of their makers said', async (t) => {
    const store = await openStore(t)
    await store.save({ ...anySigningKey('z'), createdAt: 9_000 })
    await store.save({ ...anySigningKey('m', 'z'), createdAt: 1_000 })
    await store.save({ ...anySigningKey('a', 'm'), createdAt: 5_000 })
    t.strictSame(await kidsOf(store), ['z', 'm', 'a'])
  })

  t.test('gateways that start at once agree on one key, and those who make the next one too', async (t) => {
    const store = await openStore(t)
    for (const follows of [undefined, 'a', 'b']) {
      const kids = Array.from({ length: 20 }, (_, index) => `after-${follows}-${index}`)
      if (follows !== undefined) t.equal(await store.save(anySigningKey(follows, (await kidsOf(store)).at(-1))), true)
      const outcomes = await Promise.all(kids.map((kid) => store.save(anySigningKey(kid, follows))))
      t.equal(outcomes.filter(Boolean).length, 1)
      t.equal((await kidsOf(store)).at(-1), kids[outcomes.indexOf(true)])
      t.equal(await store.save(anySigningKey('late', follows)), false)
    }
    t.equal((await store.list()).length, 5)
  })

  t.test('a key is written over in its place, and the place stays taken', async (t) => {
    const store = await openStore(t)
    await store.save(anySigningKey('a'))
    await store.save(anySigningKey('b', 'a'))
    const ended = { ...anySigningKey('a'), isEnded: true, jwk: new Secret('{"kty":"EC"}') }
    await store.replace(ended)
    await store.replace(ended)
    t.match(await store.list(), [{ kid: 'a', isEnded: true }, { kid: 'b', isEnded: false }])
    t.equal((await store.list())[0]?.jwk.reveal(), '{"kty":"EC"}')
    t.equal(await store.save(anySigningKey('c')), false)
  })
}
