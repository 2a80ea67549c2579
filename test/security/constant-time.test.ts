import { Linter } from 'eslint'
import t from 'tap'

t.test('T-46: the linter refuses === and !== on secrets, signatures and MACs in src', async (t) => {
  const address = new URL('../../scripts/no-plain-comparison.js', import.meta.url).href
  const { noPlainComparison: rules } = await import(address) as { noPlainComparison: Linter.RulesRecord }
  const complaints = (code: string): number => new Linter().verify(code, [{ rules }]).length
  for (const bad of [
    'signature === given', 'given !== signature', 'a.clientSecret === b', 'b == a.mac', 'x.y.authToken != z', 'signatureDigest === other', 'antiForgery !== field',
  ]) t.equal(complaints(bad), 1, bad)
  for (const good of ['signature === undefined', 'secret === ""', 'typeof signature === "string"', 'mac === null', 'userName === other', 'isEqualInConstantTime(secret, given)']) {
    t.equal(complaints(good), 0, good)
  }
})
