import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { Roster, type Place } from '../../src/base/roster.ts'

t.test('whoever came and has not left is a member, in whatever order they come and go', async (t) => {
  const steps = fc.array(fc.oneof(fc.constant('come' as const), fc.nat({ max: 30 })), { maxLength: 60 })
  fc.assert(fc.property(steps, (steps) => {
    const roster = new Roster<number>()
    const places: Place[] = []
    const expected = new Set<number>()
    for (const step of steps) {
      if (step === 'come') {
        expected.add(places.length)
        places.push(roster.add(places.length))
      } else {
        // Some have left before, and nobody else may leave in their place.
        places[step]?.leave()
        expected.delete(step)
      }
    }
    t.equal(roster.size, expected.size)
    t.strictSame(roster.members().sort((a, b) => a - b), [...expected])
  }), { numRuns: 300 })
})

t.test('all are dismissed at once, and who leaves afterwards takes nobody along', async (t) => {
  const roster = new Roster<string>()
  const place = roster.add('a')
  roster.add('b')
  t.strictSame(roster.dismiss().sort(), ['a', 'b'])
  t.equal(roster.size, 0)
  roster.add('c')
  place.leave()
  t.strictSame(roster.members(), ['c'])
})

t.test('members may leave while they are walked through', async (t) => {
  const roster = new Roster<Place[]>()
  const places = [roster.add([]), roster.add([]), roster.add([])]
  const seen: Place[][] = []
  for (const member of roster.members()) {
    seen.push(member)
    for (const place of places) place.leave()
  }
  t.equal(seen.length, 3)
  t.equal(roster.size, 0)
})

t.test('nobody who has left is kept until the next full collection', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void
  const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

  /** How many bytes of 20 000 members of 4 KB each, of which 50 are here at a time, are left to the next full collection. */
  async function bytesKeptOf (add: (member: object) => () => void): Promise<number> {
    // What is old now is what only a full collection looks at.
    for (let times = 0; times < 2; times++) {
      collect()
      await turn()
    }
    const before = memoryUsage().heapUsed
    const leaving: (() => void)[] = []
    for (let round = 0; round < 400; round++) {
      for (let count = 0; count < 50; count++) {
        leaving.push(add(new Array(512).fill(round)))
        if (leaving.length > 50) leaving.shift()?.()
      }
      await turn()
      if (round % 10 === 0) collect({ type: 'minor' })
    }
    for (const leave of leaving.splice(0)) leave()
    await turn()
    for (let times = 0; times < 3; times++) collect({ type: 'minor' })
    return memoryUsage().heapUsed - before
  }

  const roster = new Roster<object>()
  const set = new Set<object>()
  const inRoster = await bytesKeptOf((member) => {
    const place = roster.add(member)
    return () => { place.leave() }
  })
  const inSet = await bytesKeptOf((member) => {
    set.add(member)
    return () => { set.delete(member) }
  })
  const megabyte = 1_048_576
  t.comment(`kept: ${(inRoster / megabyte).toFixed(1)} MB by the roster, ${(inSet / megabyte).toFixed(1)} MB by a Set`)
  t.ok(inRoster < 5 * megabyte, 'only those that collections met while they were here')
})
