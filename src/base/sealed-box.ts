import { createCipheriv, createDecipheriv, createHash, randomFillSync } from 'node:crypto'

const version = 1
const keyIdLength = 4
const nonceLength = 12
const tagLength = 16
const headerLength = 1 + keyIdLength + nonceLength
/** Asked of the system at once: one by one they would take a third of the time of a seal. */
const noncesAtOnce = 512

interface RingKey { id: Buffer, key: Buffer }

/**
 * AES-256-GCM under a ring of keys: the first seals, all open. `context` says what the value is and where it belongs; it is
 * authenticated, so a sealed value that was moved to another row doesn't open there.
 *
 * Layout: version (1) ‖ key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16). Nonces are random: at 2^32 values under one key the
 * chance of a repeat reaches 2^-33 (NIST SP 800-38D §8.3), far beyond what one gateway writes between two key changes.
 */
export class SealedBox {
  readonly #ring: [RingKey, ...RingKey[]]
  readonly #nonces = Buffer.alloc(noncesAtOnce * nonceLength)
  #nextNonce = this.#nonces.length

  /** @param keys 32 bytes each, at least one. */
  constructor (keys: readonly Buffer[]) {
    const [first, ...others] = keys.map((key) => ({ id: createHash('sha256').update(key).digest().subarray(0, keyIdLength), key }))
    if (first === undefined || keys.some((key) => key.length !== 32)) throw new TypeError('a sealed box needs keys of 32 bytes')
    this.#ring = [first, ...others]
  }

  seal (plain: Uint8Array | string, context: string): Buffer {
    const { id, key } = this.#ring[0]
    const nonce = this.#takeNonce()
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
    return Buffer.concat([Buffer.of(version), id, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }

  /** The plain bytes, or `undefined` when no key of the ring opens the value in this context. */
  open (sealed: Uint8Array, context: string): Buffer | undefined {
    if (sealed.length < headerLength + tagLength || sealed[0] !== version) return undefined
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length)
    const id = bytes.subarray(1, 1 + keyIdLength)
    const entry = this.#ring.find((candidate) => candidate.id.equals(id))
    if (entry === undefined) return undefined
    const nonce = bytes.subarray(1 + keyIdLength, headerLength)
    const decipher = createDecipheriv('aes-256-gcm', entry.key, nonce, { authTagLength: tagLength })
      .setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(bytes.length - tagLength))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(headerLength, bytes.length - tagLength)), decipher.final()])
    } catch {
      // The tag doesn't fit: a changed value or another context. GCM tells no more, and neither do we.
      return undefined
    }
  }

  /** Each one is used once; the buffer is filled anew when all are. */
  #takeNonce (): Buffer {
    if (this.#nextNonce === this.#nonces.length) {
      randomFillSync(this.#nonces)
      this.#nextNonce = 0
    }
    const nonce = this.#nonces.subarray(this.#nextNonce, this.#nextNonce + nonceLength)
    this.#nextNonce += nonceLength
    return nonce
  }
}
