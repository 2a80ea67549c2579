import t from 'tap'
import { runPathDifferential } from '../support/path-differential.ts'

t.test('T-05 a hundred thousand hostile paths: what the rule saw is what the upstream saw, and nobody gets past a rule', async (t) => {
  const seed = Math.trunc(Math.random() * 0x7fffffff)
  const { counts, problems } = await runPathDifferential(t, 100_000, seed)
  t.comment(`seed ${seed}: ${JSON.stringify(counts)}`)
  t.strictSame(problems.slice(0, 20), [])
  for (const outcome of ['400', '401', '403', '404', 'forwarded for a user', 'forwarded for anybody']) t.ok((counts[outcome] ?? 0) > 1_000, outcome)
})
