import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { RecordedRequest, RecordingUpstream } from './recording-upstream.ts'

/** WebSocket by hand, below any library: the tests look at bytes, and Node 20 has no server of it. */

interface Test { teardown (closer: () => unknown): void }

export interface Frame { readonly opcode: number, readonly payload: Buffer }

/** Takes whole frames out of a stream of bytes. */
class FrameReader {
  #bytes = Buffer.alloc(0)

  push (chunk: Buffer): Frame[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    const frames: Frame[] = []
    for (;;) {
      const bytes = this.#bytes
      if (bytes.length < 2) return frames
      const second = bytes[1] ?? 0
      const short = second & 0x7f
      const headerLength = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0)
      const isMasked = (second & 0x80) !== 0
      if (bytes.length < headerLength + (isMasked ? 4 : 0)) return frames
      const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
      const start = headerLength + (isMasked ? 4 : 0)
      if (bytes.length < start + length) return frames
      const payload = Buffer.from(bytes.subarray(start, start + length))
      if (isMasked) for (let at = 0; at < length; at++) payload[at] = (payload[at] ?? 0) ^ (bytes[headerLength + at % 4] ?? 0)
      frames.push({ opcode: (bytes[0] ?? 0) & 0x0f, payload })
      this.#bytes = bytes.subarray(start + length)
    }
  }
}

/** @param isMasked as a client must send it */
export function frameOf (opcode: number, payload: Buffer, isMasked: boolean): Buffer {
  const { length } = payload
  const head = length < 126 ? Buffer.of(0, length) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10)
  head[0] = 0x80 | opcode
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  if (head.length > 2) head[1] = head.length === 4 ? 126 : 127
  if (!isMasked) return Buffer.concat([head, payload])
  head[1] = (head[1] ?? 0) | 0x80
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0))])
}

export interface LiveUpstream extends RecordingUpstream {
  /** What happens after the handshake; by default each message goes back as it came. */
  onOpen: (socket: Socket, request: IncomingMessage) => void
  /** Instead of the handshake: raw bytes, then the end. */
  refusal: string | undefined
  /** Takes handshakes and says nothing. */
  holdBack: boolean
  /** Refuses connections from now on. */
  stop: () => void
  /** More header lines of the `101`, each with its `\r\n`. */
  moreHead: string
  /** Raw header names and values of each handshake. */
  readonly handshakes: string[][]
  readonly sockets: Set<Socket>
}

/** An application with WebSockets and plain requests. */
export async function openLiveUpstream (t: Test): Promise<LiveUpstream> {
  const requests: RecordedRequest[] = []
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const upstream: LiveUpstream = {
    url,
    requests,
    handshakes: [],
    sockets: new Set(),
    refusal: undefined,
    holdBack: false,
    stop: () => {
      server.close()
      server.closeAllConnections()
      for (const socket of upstream.sockets) socket.destroy()
    },
    moreHead: '',
    answer: (_request, response) => { response.end('the application') },
    onOpen: echo,
  }
  server.on('request', (request, response) => {
    requests.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers })
    upstream.answer(request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    requests.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers })
    upstream.handshakes.push(request.rawHeaders)
    upstream.sockets.add(socket)
    socket.on('error', () => {}).on('end', () => socket.end()).on('close', () => upstream.sockets.delete(socket))
    if (upstream.holdBack) return socket.resume()
    if (upstream.refusal !== undefined) return socket.end(upstream.refusal, 'latin1')
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${upstream.moreHead}\r\n`)
    return upstream.onOpen(socket, request)
  })
  t.teardown(() => { upstream.stop() })
  return upstream
}

function echo (socket: Socket): void {
  const reader = new FrameReader()
  socket.on('data', (chunk) => {
    for (const { opcode, payload } of reader.push(chunk)) socket.write(frameOf(opcode, payload, false))
  })
}

export interface WebSocketClient {
  readonly socket: Socket
  /** Status line and header lines of the answer. */
  readonly head: string
  readonly status: number
  /** What followed the head of a refusal. */
  body (): Promise<string>
  send (payload: string | Buffer): void
  /** The next frame; rejects when the connection ends without one. */
  next (): Promise<Frame>
  /** Code and reason of the close frame, or `none`; resolves when the connection has ended. */
  closed (): Promise<string>
}

export interface DialOptions {
  readonly cookie?: string
  /** `null`: none is sent. */
  readonly origin?: string | null
  readonly target?: string
  readonly headers?: readonly string[]
  /** In place of `Sec-WebSocket-Key` and `-Version`. */
  readonly handshake?: readonly string[]
  readonly requestLine?: string
}

export const goodHandshake = ['sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version: 13']

/** Sends the opening handshake and no more. */
export function beginWebSocket (url: string, options: DialOptions = {}): Socket {
  const { host, port, origin: ownOrigin, protocol } = new URL(url)
  const { cookie = '', origin = ownOrigin, target = '/live', headers = [], handshake = goodHandshake } = options
  const to = { host: '127.0.0.1', port: Number(port) }
  const socket = protocol === 'https:' ? connectTls({ ...to, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }) : connect(to)
  socket.on('error', () => {})
  socket.write([
    options.requestLine ?? `GET ${target} HTTP/1.1`, `host: ${host}`, 'connection: Upgrade', 'upgrade: websocket', ...handshake,
    ...(origin === null ? [] : [`origin: ${origin}`]), ...(cookie === '' ? [] : [`cookie: ${cookie}`]), ...headers, '', '',
  ].join('\r\n'), 'latin1')
  return socket
}

/** Asks for a WebSocket and resolves with the answer's head, whatever it is. */
export async function dialWebSocket (url: string, options: DialOptions = {}): Promise<WebSocketClient> {
  const socket = beginWebSocket(url, options)
  const reader = new FrameReader()
  const frames: Frame[] = []
  let bytes = Buffer.alloc(0)
  let head: string | undefined
  const state = { isClosed: false }
  let wake = (): void => {}
  socket.on('data', (chunk) => {
    if (head !== undefined && head.startsWith('HTTP/1.1 101')) frames.push(...reader.push(chunk))
    else bytes = Buffer.concat([bytes, chunk])
    const end = bytes.indexOf('\r\n\r\n')
    if (head === undefined && end !== -1) {
      head = bytes.toString('latin1', 0, end)
      bytes = bytes.subarray(end + 4)
      if (head.startsWith('HTTP/1.1 101')) frames.push(...reader.push(bytes))
    }
    wake()
  })
  socket.on('close', () => {
    state.isClosed = true
    wake()
  })
  const waitFor = async (isSo: () => boolean): Promise<void> => {
    while (!isSo() && !state.isClosed) await new Promise<void>((resolve) => { wake = resolve })
  }
  await waitFor(() => head !== undefined)
  return {
    socket,
    head: head ?? '',
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head ?? '')?.[1] ?? 0),
    async body () {
      await waitFor(() => false)
      return bytes.toString('latin1')
    },
    send: (payload) => { socket.write(frameOf(typeof payload === 'string' ? 1 : 2, Buffer.from(payload), true)) },
    async next () {
      await waitFor(() => frames.length > 0)
      const frame = frames.shift()
      if (frame === undefined) throw new Error('the connection ended without a frame')
      return frame
    },
    async closed () {
      await waitFor(() => false)
      const last = frames.find(({ opcode }) => opcode === 8)
      return last === undefined ? 'none' : `${last.payload.readUInt16BE(0)} ${last.payload.toString('utf8', 2)}`
    },
  }
}
