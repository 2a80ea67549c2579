import { connect } from 'node:tls'
import { authority } from './http2-client.ts'

/** Frames of HTTP/2 by hand (RFC 9113 §4), for what no client library would send. */
export const frameTypes = { data: 0, headers: 1, resetStream: 3, settings: 4, goAway: 7, continuation: 9 } as const
export const flags = { none: 0, endStream: 1, endHeaders: 4 } as const

export function frame (type: number, flag: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload)
  const head = Buffer.alloc(9)
  head.writeUIntBE(bytes.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flag, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, bytes])
}

/** Names and values as literals, which nothing has to be known for (RFC 7541 §6.2.2); latin1. */
export function headerBlock (pairs: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]))
}

function literal (text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  // An integer with a prefix of seven bits (RFC 7541 §5.1).
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push(rest % 128 + 128)
  return Buffer.concat([Buffer.of(...length, rest), bytes])
}

export function requestHead (path: string, ...more: readonly (readonly [string, string])[]): Buffer {
  return headerBlock([[':method', 'GET'], [':scheme', 'https'], [':authority', 'app.example.com'], [':path', path], ...more])
}

export interface SeenFrame { readonly type: number, readonly stream: number, readonly payload: Buffer }

/** Opens a connection, sends the frames and reads until one comes that `isLast`, or the end. What comes `later` is sent then. */
export function talkHttp2 (
  port: number, frames: readonly Buffer[], isLast: (frame: SeenFrame) => boolean, later?: Promise<Buffer>,
): Promise<SeenFrame[]> {
  return new Promise((resolve) => {
    const seen: SeenFrame[] = []
    let bytes = Buffer.alloc(0)
    const socket = connect({ port, host: 'localhost', ca: authority, ALPNProtocols: ['h2'] }, () => {
      socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(frameTypes.settings, 0, 0), ...frames]))
    })
    void later?.then((bytes) => socket.write(bytes))
    socket.on('error', () => {}).on('close', () => { resolve(seen) })
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const end = 9 + bytes.readUIntBE(0, 3)
        const one = { type: bytes.readUInt8(3), stream: bytes.readUInt32BE(5), payload: bytes.subarray(9, end) }
        seen.push(one)
        bytes = bytes.subarray(end)
        if (isLast(one)) socket.destroy()
      }
    })
  })
}
