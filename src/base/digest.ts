import { createHmac, hash, timingSafeEqual, type BinaryLike } from 'node:crypto'

/** SHA-256 as 43 base64url characters: what a store keeps in place of an id that gives access. */
export function sha256 (value: string | Uint8Array): string {
  return hash('sha256', value, 'base64url')
}

export function hmacSha256 (key: string, ...parts: BinaryLike[]): Buffer {
  const hmac = createHmac('sha256', key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/** Compares without telling by its duration where the first difference stands (ASVS 11.2.4). */
export function isEqualInConstantTime (a: string | Buffer, b: string | Buffer): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
