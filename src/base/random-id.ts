import { randomBytes } from 'node:crypto'

/** 256 random bits as 43 base64url characters: session ids, the secrets of flows (RFC 9700 §2.1, ASVS 7.2.3 ask for at least 128). */
export function createRandomId (): string {
  return randomBytes(32).toString('base64url')
}

// Crockford's alphabet without vowels that form words and without look-alikes, since people read these codes aloud.
const alphabet = '0123456789BCDFGHJKMNPQRSTVWXYZ'

/** A code that a page shows and a log line carries, such as `7KQ2-M9XD`. It identifies an event and gives no access. */
export function createSupportCode (): string {
  const letters = Array.from(randomBytes(8), (byte) => alphabet[byte % alphabet.length])
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`
}
