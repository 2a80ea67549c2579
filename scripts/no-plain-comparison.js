// A comparison that stops at the first difference tells by its duration where it is (ASVS 11.2.4, T-46).
const namesOfSecrets = '/^(?:.*[sS]ecret|.*[sS]ignature|mac|.*Mac|hmac|.*[dD]igest|antiForgery|authToken|.*[pP]assword)$/'
const secretOn = (side, other) => ['name', 'property.name'].map((path) =>
  `BinaryExpression[operator=/^[!=]==?$/][${side}.${path}=${namesOfSecrets}]:not([${other}.name="undefined"], [${other}.value=""], [${other}.raw="null"])`)
/** Rules of ESLint, for its `rules`. */
export const noPlainComparison = {
  'no-restricted-syntax': ['error', ...[...secretOn('left', 'right'), ...secretOn('right', 'left')]
    .map((selector) => ({ selector, message: 'Compare secrets and signatures with isEqualInConstantTime (T-46).' }))],
}
