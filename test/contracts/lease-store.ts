import type { Test } from 'tap'
import type { LeaseStore } from '../../src/base/lease-store.ts'

/** What every `LeaseStore` keeps to. `openStore` gives a new, empty one for each case. */
export function testLeaseStore (t: Test, openStore: (t: Test) => Promise<LeaseStore>): void {
  t.test('one holder at a time; the holder itself gets it again, for longer', async (t) => {
    const store = await openStore(t)
    t.equal(await store.acquire('a', 'one', 1_000, 100), true)
    t.equal(await store.acquire('a', 'two', 1_099, 100), false)
    t.equal(await store.acquire('b', 'two', 1_050, 100), true, 'another name is another lease')
    t.equal(await store.acquire('a', 'one', 1_090, 100), true)
    t.equal(await store.acquire('a', 'two', 1_189, 100), false)
    t.equal(await store.acquire('a', 'two', 1_190, 100), true, 'its time is over')
    t.equal(await store.acquire('a', 'one', 1_200, 100), false)
  })

  t.test('T-28: of 50 takers at once one gets it, and after its time again one', async (t) => {
    const store = await openStore(t)
    for (const now of [1_000, 1_100]) {
      const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => store.acquire('a', `holder-${now}-${index}`, now, 100)))
      t.equal(outcomes.filter(Boolean).length, 1)
    }
    t.strictSame(await Promise.all(Array.from({ length: 20 }, () => store.acquire('b', 'same', 1_000, 100))), Array.from({ length: 20 }, () => true))
  })

  t.test('only the holder gives it back', async (t) => {
    const store = await openStore(t)
    await store.acquire('a', 'one', 1_000, 100)
    await store.release('a', 'two')
    t.equal(await store.acquire('a', 'two', 1_001, 100), false)
    await store.release('a', 'one')
    await store.release('a', 'one')
    t.equal(await store.acquire('a', 'two', 1_001, 100), true)
    await store.release('never taken', 'one')
  })

  t.test('sweep forgets what is over and nothing that was prolonged', async (t) => {
    const store = await openStore(t)
    for (const [name, milliseconds] of [['over', 50], ['border', 100], ['held', 101]] as const) await store.acquire(name, 'one', 1_000, milliseconds)
    await store.acquire('prolonged', 'one', 1_000, 10)
    await store.acquire('prolonged', 'one', 1_009, 900)
    await store.acquire('given back', 'one', 1_000, 10)
    await store.release('given back', 'one')
    t.equal(await store.sweep(1_100), 2)
    t.equal(await store.sweep(1_100), 0)
    for (const name of ['held', 'prolonged']) t.equal(await store.acquire(name, 'two', 1_100, 1), false, name)
    for (const name of ['over', 'border', 'odd: {name}\u0000 张']) t.equal(await store.acquire(name, 'two', 1_100, 1), true, name)
  })
}
