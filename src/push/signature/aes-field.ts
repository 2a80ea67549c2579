import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import type { Secret } from '../../base/secret.ts'

/** `encryptType` of V1: which AES the text is under (sync.md §4.10). */
export type EncryptType = '1' | '2'

const kinds = [
  { encryptType: '1', cipher: 'aes-256-cbc', keyBytes: 32 },
  { encryptType: '2', cipher: 'aes-128-cbc', keyBytes: 16 },
] as const

export interface OpenedField {
  readonly text: string
  readonly encryptType: EncryptType
  /** Which of the access keys opened it. */
  readonly keyIndex: number
}

/**
 * Opens a V1 field: 16 letters and digits, then Base64. `undefined` for every failure alike, so that nothing tells a bad padding from
 * a wrong key (Vaudenay's attack); and only to be called after the signature held, so that nobody else can ask.
 */
export function openAesField (field: string, accessKeys: readonly Secret[]): OpenedField | undefined {
  const iv = field.slice(0, 16)
  const sealed = Buffer.from(field.slice(16), 'base64')
  // In its one spelling: Node skips over what is no Base64.
  if (!/^[A-Za-z0-9]{16}$/.test(iv) || sealed.length === 0 || sealed.toString('base64') !== field.slice(16)) return undefined
  for (const [keyIndex, accessKey] of accessKeys.entries()) {
    for (const { encryptType, cipher, keyBytes } of kinds) {
      const plain = decrypt(cipher, deriveAesKey(accessKey.reveal(), keyBytes), iv, sealed)
      if (plain !== undefined && isUtf8(plain)) return { text: plain.toString(), encryptType, keyIndex }
    }
  }
  return undefined
}

/**
 * Seals a text as the marketplace does.
 *
 * @param iv 16 letters and digits, new for each text
 */
export function sealAesField (text: string, accessKey: string, encryptType: EncryptType, iv: string): string {
  const { cipher: name, keyBytes } = encryptType === '1' ? kinds[0] : kinds[1]
  const cipher = createCipheriv(name, deriveAesKey(accessKey, keyBytes), Buffer.from(iv))
  return iv + Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')
}

function decrypt (name: string, key: Buffer, iv: string, sealed: Buffer): Buffer | undefined {
  try {
    const decipher = createDecipheriv(name, key, Buffer.from(iv))
    return Buffer.concat([decipher.update(sealed), decipher.final()])
  } catch {
    // Not whole blocks, or a padding that isn't one. OpenSSL's text would say which.
    return undefined
  }
}

/**
 * What Java's `KeyGenerator` takes from SUN's `SHA1PRNG` that was seeded once with the access key. The generator hashes its state for
 * each 20 bytes and adds the hash to the state, as numbers whose bytes are signed (so the carry may be negative).
 */
function deriveAesKey (accessKey: string, keyBytes: number): Buffer {
  const state = new Int8Array(sha1(Buffer.from(accessKey)))
  const blocks: Buffer[] = []
  for (let made = 0; made < keyBytes; made += 20) {
    const block = sha1(state)
    blocks.push(block)
    addTo(state, new Int8Array(block))
  }
  return Buffer.concat(blocks, keyBytes)
}

function addTo (state: Int8Array, block: Int8Array): void {
  let carry = 1
  let hasChanged = false
  for (let at = 0; at < state.length; at++) {
    const before = state[at]!
    const sum = before + block[at]! + carry
    state[at] = sum
    hasChanged ||= state[at] !== before
    carry = sum >> 8
  }
  if (!hasChanged) state[0]! += 1
}

function sha1 (bytes: Uint8Array | Int8Array): Buffer {
  return createHash('sha1').update(bytes).digest()
}
