import type { Test } from 'tap'
import type { KeyUsageStore } from '../../src/base/key-usage-store.ts'

/** What every `KeyUsageStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testKeyUsageStore (t: Test, openStore: (t: Test) => Promise<KeyUsageStore>): void {
  t.test('a key is as old as its first sight, however often the gateway starts', async (t) => {
    const store = await openStore(t)
    t.same(await store.list(), [])
    await store.see('kit', ['b', 'a'], 1_000)
    await store.see('kit', ['b', 'c'], 2_000)
    t.strictSame(await store.list(), [
      { kind: 'kit', fingerprint: 'a', firstSeenAt: 1_000, lastUsedAt: undefined, uses: 0 },
      { kind: 'kit', fingerprint: 'b', firstSeenAt: 1_000, lastUsedAt: undefined, uses: 0 },
      { kind: 'kit', fingerprint: 'c', firstSeenAt: 2_000, lastUsedAt: undefined, uses: 0 },
    ])
  })

  t.test('each use counts, also of many at once; the same key of another kind is another', async (t) => {
    const store = await openStore(t)
    await store.see('kit', ['a'], 1_000)
    await store.see('production', ['a'], 1_000)
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.use('kit', 'a', 2_000 + index)))
    await store.use('kit', 'new', 3_000)
    await store.see('kit', ['a', 'new'], 4_000)
    t.strictSame(await store.list(), [
      { kind: 'kit', fingerprint: 'a', firstSeenAt: 1_000, lastUsedAt: 2_019, uses: 20 },
      { kind: 'kit', fingerprint: 'new', firstSeenAt: 3_000, lastUsedAt: 3_000, uses: 1 },
      { kind: 'production', fingerprint: 'a', firstSeenAt: 1_000, lastUsedAt: undefined, uses: 0 },
    ])
  })
}
