/** Close codes of RFC 6455 §7.4.1, and 1013 ("try again later") of IANA's registry. */
export const closeCodes = { goingAway: 1001, policyViolation: 1008, tryAgainLater: 1013 } as const

const closeOpcode = 8
/** 2 bytes, a long length of 8, a mask of 4 (RFC 6455 §5.2). */
const longestHeader = 14

/**
 * Follows the frames of one direction as their bytes pass by, to know when one more frame could be put in between. It reads the headers,
 * counts the payload bytes and keeps neither.
 */
export class FrameBoundary {
  readonly #header = Buffer.alloc(longestHeader)
  #headerBytes = 0
  #payloadLeft = 0
  #isClosing = false

  /** Whether all frames so far are whole and another may follow: none may after a close frame. */
  get isHere (): boolean {
    return this.#headerBytes === 0 && this.#payloadLeft === 0 && !this.#isClosing
  }

  see (bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, bytes.length - at)
        this.#payloadLeft -= taken
        at += taken
      } else {
        this.#seeHeaderByte(bytes[at++] ?? 0)
      }
    }
  }

  #seeHeaderByte (byte: number): void {
    this.#header[this.#headerBytes++] = byte
    if (this.#headerBytes < 2) return
    const second = this.#header[1] ?? 0
    const short = second & 0x7f
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0
    const maskBytes = (second & 0x80) === 0 ? 0 : 4
    if (this.#headerBytes < 2 + lengthBytes + maskBytes) return
    if (lengthBytes === 0) this.#payloadLeft = short
    else this.#payloadLeft = lengthBytes === 2 ? this.#header.readUInt16BE(2) : Number(this.#header.readBigUInt64BE(2))
    this.#isClosing ||= ((this.#header[0] ?? 0) & 0x0f) === closeOpcode
    this.#headerBytes = 0
  }
}

/** A close frame as a server sends it: unmasked, with a code and a reason of at most 123 bytes (RFC 6455 §5.5.1). */
export function closeFrame (code: number, reason: string): Buffer {
  const text = Buffer.from(reason)
  const frame = Buffer.concat([Buffer.of(0x80 | closeOpcode, 2 + text.length, 0, 0), text])
  frame.writeUInt16BE(code, 2)
  return frame
}
