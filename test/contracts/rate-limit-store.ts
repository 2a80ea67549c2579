import type { Test } from 'tap'
import type { RateLimitStore } from '../../src/base/rate-limit-store.ts'

/** What every `RateLimitStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testRateLimitStore (t: Test, openStore: (t: Test) => Promise<RateLimitStore>): void {
  t.test('counts each key for itself, and each window from 1', async (t) => {
    const store = await openStore(t)
    const counts: number[] = []
    for (const now of [1_000, 1_001, 1_999, 2_000, 2_001, 1_500]) counts.push(await store.count('a', now, 1_000))
    t.strictSame(counts, [1, 2, 3, 1, 2, 4], 'a clock that lags counts in its own window')
    t.equal(await store.count('b', 1_000, 1_000), 1)
    t.equal(await store.count('a', 1_000, 500), 1, 'another length is another window')
  })

  t.test('of 50 at once each gets a number of its own', async (t) => {
    const store = await openStore(t)
    const counts = await Promise.all(Array.from({ length: 50 }, () => store.count('a', 1_000, 1_000)))
    t.strictSame(counts.sort((a, b) => a - b), Array.from({ length: 50 }, (_, index) => index + 1))
  })

  t.test('sweep forgets the windows that are over', async (t) => {
    const store = await openStore(t)
    for (const now of [0, 999, 1_000, 2_000]) await store.count('a', now, 1_000)
    await store.count('b', 0, 2_000)
    t.equal(await store.sweep(2_000), 3)
    t.equal(await store.sweep(2_000), 0)
    t.equal(await store.count('a', 2_500, 1_000), 2, 'the one that runs goes on')
    t.equal(await store.count('a', 999, 1_000), 1)
  })
}
