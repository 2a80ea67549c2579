/**
 * A fraction or exponent as Java prints the double it stands for (`Double.toString`): Jackson reads such a number into a double
 * and prints it again (sync.md §3.5). Shortest digits, as every JDK from 19 on; older ones print a digit too many for a few values.
 *
 * @param token a JSON number with `.`, `e` or `E`
 */
export function printJavaDouble (token: string): string {
  const value = Number(token)
  // Jackson quotes what JSON can't say (QUOTE_NON_NUMERIC_NUMBERS, on by default).
  if (!Number.isFinite(value)) return value < 0 ? '"-Infinity"' : '"Infinity"'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const { digits, exponent } = shortestDigits(Math.abs(value))
  if (value === 0) return `${sign}0.0`
  if (exponent >= 7 || exponent < -3) return `${sign}${digits[0] ?? '0'}.${digits.slice(1) || '0'}E${exponent}`
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

function shortestDigits (value: number): { digits: string, exponent: number } {
  const shortest = value.toExponential()
  // Where one digit would do, Java takes the nearest of two digits (`4.9E-324`, JavaScript: `5e-324`).
  const ofTwo = value.toExponential(1)
  const [mantissa = '', exponent = ''] = (!shortest.includes('.') && Number(ofTwo) === value ? ofTwo : shortest).split('e')
  const digits = mantissa.replace('.', '')
  return { digits: digits.endsWith('0') ? digits.slice(0, -1) : digits, exponent: Number(exponent) }
}
