import { constants, createHash, privateDecrypt, publicEncrypt, type KeyObject } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { Secret } from '../../base/secret.ts'

/** The paddings that Java's usual names stand for; which one the marketplace takes is not documented (sync.md §2.1). */
const paddings = [
  { name: 'OAEP-SHA256-MGF1-SHA256', hash: 'sha256', maskHash: 'sha256' },
  { name: 'OAEP-SHA256-MGF1-SHA1', hash: 'sha256', maskHash: 'sha1' },
  { name: 'OAEP-SHA1-MGF1-SHA1', hash: 'sha1', maskHash: 'sha1' },
] as const

type Padding = (typeof paddings)[number]

export interface OpenedSecret { readonly secret: Secret, readonly padding: Padding['name'] }

/**
 * Opens a pushed `clientSecret` with any of our private keys under any of the paddings. `undefined` for every failure alike, so
 * that nothing tells a bad padding from a wrong key (Manger's attack); and only called after the signature held, so that nobody
 * else can ask.
 *
 * @param sealed standard Base64 of one RSA block
 */
export function openClientSecret (sealed: string, privateKeys: readonly KeyObject[]): OpenedSecret | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(sealed)) return undefined
  const block = Buffer.from(sealed, 'base64')
  for (const key of privateKeys) {
    const padded = decryptBlock(block, key)
    if (padded === undefined) continue
    for (const padding of paddings) {
      const plain = removePadding(padded, padding)
      if (plain !== undefined && plain.length > 0 && isUtf8(plain)) return { secret: new Secret(plain.toString()), padding: padding.name }
    }
  }
  return undefined
}

/** Seals a secret for the holder of the private key, as the marketplace does (SHA-256 for both hashes). */
export function sealClientSecret (secret: Secret, publicKey: KeyObject): string {
  const options = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  return publicEncrypt(options, Buffer.from(secret.reveal())).toString('base64')
}

/** The padded block. Node's own OAEP takes one hash for both purposes and so can't read the second padding. */
function decryptBlock (block: Buffer, key: KeyObject): Buffer | undefined {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block)
  } catch {
    // Not a block of this key's size or range. OpenSSL's text would say which.
    return undefined
  }
}

/**
 * EME-OAEP decoding, RFC 8017 §7.1.2 step 3, with an empty label: every byte is looked at and no branch depends on one until the
 * single verdict at the end.
 */
function removePadding (padded: Buffer, padding: Padding): Buffer | undefined {
  const labelHash = createHash(padding.hash).digest()
  const size = labelHash.length
  if (padded.length < 2 * size + 2) return undefined
  const seed = xor(padded.subarray(1, 1 + size), mask(padded.subarray(1 + size), size, padding.maskHash))
  const data = xor(padded.subarray(1 + size), mask(seed, padded.length - 1 - size, padding.maskHash))

  let wrong = padded[0]!
  for (let at = 0; at < size; at++) wrong |= data[at]! ^ labelHash[at]!
  // Zeros, then a one, then the message: `isBefore` stays 1 up to the first byte that isn't zero, `start` 0 unless that is a one.
  let isBefore = 1
  let start = 0
  for (let at = size; at < data.length; at++) {
    const byte = data[at]!
    const isZero = ((byte - 1) >>> 31) & 1
    const isOne = (((byte ^ 1) - 1) >>> 31) & 1
    start |= -(isBefore & isOne) & (at + 1)
    isBefore &= isZero
  }
  return wrong === 0 && start !== 0 ? data.subarray(start) : undefined
}

/** MGF1, RFC 8017 §B.2.1. */
function mask (seed: Buffer, length: number, hash: string): Buffer {
  const blocks: Buffer[] = []
  for (let counter = 0, made = 0; made < length; counter++) {
    const block = createHash(hash).update(seed).update(Buffer.of(counter >>> 24, counter >>> 16, counter >>> 8, counter)).digest()
    blocks.push(block)
    made += block.length
  }
  return Buffer.concat(blocks, length)
}

function xor (a: Buffer, b: Buffer): Buffer {
  return a.map((byte, at) => byte ^ b[at]!) as Buffer
}
