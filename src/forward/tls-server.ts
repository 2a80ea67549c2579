import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from 'node:http2'
import { Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { Secret } from '../base/secret.ts'
import { Http2Request, judgeHead } from './http2-request.ts'
import { Http2Response } from './http2-response.ts'

export interface TlsSettings {
  /** PEM, the chain behind it. */
  readonly certificate: string
  /** PEM. */
  readonly key: Secret
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** How long a client may take for the handshake; HTTP/1.1's headers may take as long. */
const handshakeTimeoutMs = 30_000
/** How long a connection may be without a request; Fastify's for HTTP/1.1. */
const idleTimeoutMs = 72_000

/**
 * What one HTTP/2 connection may take of us (C-42). Node and nghttp2 add: resets by the thousand (CVE-2023-44487) and more than eight
 * CONTINUATION frames end the connection.
 */
const http2Limits = {
  settings: {
    maxConcurrentStreams: 128,
    // As much of a body waits for an upstream that is slow, in each stream.
    initialWindowSize: 262_144,
    // Twice what is taken, so that what is a little too much is answered with 431.
    maxHeaderListSize: 32_768,
    enablePush: false,
    // A WebSocket comes over HTTP/1.1 (RFC 8441 §3).
    enableConnectProtocol: false,
  },
  // A browser sends each cookie as a field of its own, and may have 180.
  maxHeaderListPairs: 512,
  // Frames that break the rules are nobody's habit, and refused streams only of who ignores the settings.
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
} as const
/** Of all streams together; the default would hold an upload to 64 KiB for each way to the client and back. */
const connectionWindowSize = 1_048_576
/** T-47. */
const notKept = { 'cache-control': 'no-store' } as const

/**
 * The public listener with TLS. Over HTTP/1.1 it is node's own https server, with the options that the plain one has: what the marketplace
 * sends is parsed by the same code. Who offers `h2` (RFC 7301) speaks HTTP/2 to the same handler.
 */
export class TlsServer extends Server {
  readonly #sessions = new Set<ServerHttp2Session>()

  constructor (options: ServerOptions, { certificate, key }: TlsSettings, handler: Handler) {
    super({
      ...options,
      cert: certificate,
      key: key.reveal(),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['h2', 'http/1.1', 'http/1.0'],
      handshakeTimeout: handshakeTimeoutMs,
    }, handler)
    const http2 = this.#createHttp2Server()
    const http1 = this.listeners('secureConnection')
    this.removeAllListeners('secureConnection')
    this.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') http2.emit('connection', socket)
      else for (const listener of http1) Reflect.apply(listener, this, [socket])
    })
  }

  #createHttp2Server (): Http2Server {
    const http2 = createHttp2Server({ ...http2Limits, Http2ServerRequest: Http2Request, Http2ServerResponse: Http2Response as never })
    const passOn = (event: string, otherwise: Handler = () => {}) => (request: unknown, response: unknown): void => {
      if (refuseHead(request as Http2Request, response as Http2Response)) return
      const arrival = [request as IncomingMessage, response as ServerResponse] as const
      if (!this.emit(event, ...arrival)) otherwise(...arrival)
    }
    http2.on('request', passOn('request'))
    http2.on('checkContinue', passOn('checkContinue', (request, response) => {
      response.writeContinue()
      this.emit('request', request, response)
    }))
    http2.on('checkExpectation', passOn('checkExpectation', (_request, response) => { response.writeHead(417, notKept).end() }))
    // C-44: node's own answer lacks the methods.
    http2.on('connect', (_request, response: ServerResponse) => {
      response.writeHead(405, { ...notKept, allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }).end()
    })
    http2.on('session', (session) => { this.#take(session) })
    return http2
  }

  #take (session: ServerHttp2Session): void {
    this.#sessions.add(session)
    session.once('close', () => { this.#sessions.delete(session) })
    let openStreams = 0
    session.on('stream', (stream) => {
      openStreams++
      stream.once('close', () => { openStreams-- })
    })
    session.setTimeout(idleTimeoutMs)
    session.on('timeout', () => { if (openStreams === 0) session.close() })
    session.setLocalWindowSize(connectionWindowSize)
    // Its handshake was under way when the stop began.
    if (!this.listening) session.close()
  }

  /** Each HTTP/2 client is told to open no more streams here (GOAWAY); those that are open may end. */
  turnAwaySessions (): void {
    for (const session of this.#sessions) session.close()
  }

  override close (done?: (error?: Error) => void): this {
    this.turnAwaySessions()
    return super.close(done)
  }

  override closeAllConnections (): void {
    super.closeAllConnections()
    for (const session of this.#sessions) session.destroy()
  }
}

function refuseHead (request: Http2Request, response: Http2Response): boolean {
  const status = judgeHead(request, request.headers[':authority'])
  if (status === undefined) return false
  response.stream.respond({ ...notKept, ':status': status }, { endStream: true })
  return true
}
