import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { SigningKeyStore, StoredSigningKey } from '../../src/base/signing-key-store.ts'

export function anySigningKey (kid: string): StoredSigningKey {
  return { kid, createdAt: 1_000, privateJwk: new Secret(JSON.stringify({ kty: 'EC', d: `private-part-of-${kid}` })) }
}

/** What every `SigningKeyStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testSigningKeyStore (t: Test, openStore: (t: Test) => Promise<SigningKeyStore>): void {
  t.test('the first key is saved and listed', async (t) => {
    const store = await openStore(t)
    t.same(await store.list(), [])
    t.equal(await store.saveFirst(anySigningKey('a')), true)
    const [key, ...others] = await store.list()
    t.same(others, [])
    t.match(key, { kid: 'a', createdAt: 1_000 })
    t.equal(key?.privateJwk.reveal(), anySigningKey('a').privateJwk.reveal())
  })

  t.test('gateways that start at once agree on one key', async (t) => {
    const store = await openStore(t)
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => store.saveFirst(anySigningKey(`k${index}`))))
    t.equal(outcomes.filter(Boolean).length, 1)
    t.same((await store.list()).map(({ kid }) => kid), [`k${outcomes.indexOf(true)}`])
    t.equal(await store.saveFirst(anySigningKey('late')), false)
  })
}
