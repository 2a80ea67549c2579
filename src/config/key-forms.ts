import { createPrivateKey, type KeyObject } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import { Complaint, form, listOf } from './forms.ts'

/** Words that stand in samples and manuals; whoever starts with one has not chosen a key (C-67, C-68). */
const sampleWords = /^(?:change-?me|secret|password|example|sample|default|test|key|access-?key|x+|your[-_ ].*|<.*>)$/i

/** Keys as base64 or base64url; the first seals, all open. */
export const sealingKeysForm = form((input) => {
  const keys = listOf(input)
  if (keys === undefined || keys.length === 0) return new Complaint('must be a comma list of base64 keys of 32 bytes')
  for (const key of keys) {
    const bytes = Buffer.from(key, 'base64')
    if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(key) || bytes.length !== 32) {
      return new Complaint('must hold keys of 32 bytes in base64: `openssl rand -base64 32` makes one')
    }
    if (isPredictable(bytes)) {
      return new Complaint('holds a key that is not random (a sample or a typed text): `openssl rand -base64 32` makes one')
    }
  }
  if (new Set(keys).size !== keys.length) return new Complaint('holds the same key twice')
  return keys.map((key) => new Secret(key))
})

/** Repeats, runs such as 00 01 02 …, and typed text. Random bytes look like one of these once in 2^40 keys or less. */
function isPredictable (bytes: Buffer): boolean {
  const steps = new Set(Array.from(bytes.subarray(1), (byte, index) => (byte - (bytes[index] ?? 0)) & 0xff))
  return new Set(bytes).size < 16 || steps.size === 1 || bytes.every((byte) => byte >= 0x20 && byte < 0x7f)
}

export const accessKeysForm = form((input) => {
  const keys = listOf(input)
  if (keys === undefined) return new Complaint('must be a comma list of access keys')
  if (keys.some((key) => sampleWords.test(key))) return new Complaint('holds a sample word in place of the key from the seller centre')
  return keys.map((key) => new Secret(key))
})

/** Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. The first signs first; all sign, so the receiver may change at leisure. */
export const webhookSecretsForm = form((input) => {
  const secrets = listOf(input)
  if (secrets === undefined) return new Complaint('must be a comma list of webhook secrets')
  for (const secret of secrets) {
    const bytes = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret) || bytes.length < 24 || bytes.length > 64) {
      return new Complaint('must hold secrets such as whsec_… with 24 to 64 bytes in base64: `echo whsec_$(openssl rand -base64 32)` makes one')
    }
    if (isPredictable(bytes)) return new Complaint('holds a secret that is not random: `echo whsec_$(openssl rand -base64 32)` makes one')
  }
  return secrets.map((secret) => new Secret(secret))
})

/** One secret of another system; empty means none. */
export const secretForm = form((input) => {
  if (input === '') return undefined
  if (typeof input !== 'string' || /\s/.test(input) || input.length > 256) return new Complaint('must be text without blanks')
  return sampleWords.test(input) ? new Complaint('holds a sample word in place of the secret') : new Secret(input)
})

/** A secret that is part of an address: at least 128 bits of letters that no parser changes. Empty means none. */
export const addressSecretForm = form((input) => {
  if (input === '') return undefined
  const isPlain = typeof input === 'string' && /^[\w-]{22,128}$/.test(input)
  if (!isPlain || input.length * bitsPerLetter(input) < 128) {
    return new Complaint('must be letters, digits, "-" or "_" of 128 bits or more: `openssl rand -hex 24` makes one')
  }
  const isRandom = new Set(input).size >= 10 && !/^(.{1,16})\1+.{0,15}$/.test(input)
  return isRandom ? new Secret(input) : new Complaint('is not random: `openssl rand -hex 24` makes one')
})

function bitsPerLetter (text: string): number {
  if (/^\d+$/.test(text)) return Math.log2(10)
  return /^[\da-f]+$/i.test(text) ? 4 : Math.log2(62)
}

const pemBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g

/** PEM texts one behind the other, or a YAML list of them; `\n` may stand for a line break, as in many `.env` files. */
export const privateKeysForm = form((input) => {
  const text = Array.isArray(input) ? input.join('\n') : input
  if (typeof text !== 'string') return new Complaint('must be PEM text')
  const unfolded = text.replaceAll('\\n', '\n')
  const blocks = unfolded.match(pemBlock) ?? []
  if (unfolded.replaceAll(pemBlock, '').trim() !== '') return new Complaint('must be PEM private keys and nothing else')
  for (const block of blocks) {
    const key = openPrivateKey(block)
    if (key === undefined) return new Complaint('holds a private key that cannot be read; an encrypted one must be decrypted first')
    // The marketplace encrypts with RSA-OAEP under a key of at least 3072 bits (`login.md` §9).
    if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < 3072) {
      return new Complaint('must hold RSA keys of at least 3072 bits')
    }
  }
  return blocks.map((block) => new Secret(block))
})

function openPrivateKey (pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}
