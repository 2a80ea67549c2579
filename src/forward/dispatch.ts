import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { closeGentlyAfter } from '../base/close-gently.ts'
import { codeOf, faults } from '../base/coded-errors.ts'
import { breakOff } from './break-off.ts'
import { endEvent, EventBoundary } from './event-boundary.ts'
import { Http2Response } from './http2-response.ts'
import type { LiveStream, LiveStreams, StreamEnd } from './live-streams.ts'
import { hintHeadOf, isHeaderSafe, refuseUnaskedCoding } from './response-head.ts'
import { announcedTrailers, responseHeadersOf, trailersOf, type UpstreamHeaders } from './response-headers.ts'
import type { RewriteLocation } from './rewrite-location.ts'
import type { UpstreamGroup } from './upstreams/upstream-group.ts'
import { openTunnel } from './tunnel.ts'
import { isUpgrade, takeSocket } from './upgrade.ts'

export interface DispatchOptions {
  readonly group: Pick<UpstreamGroup, 'dispatch'>
  /** How long the upstream may take until its response headers are here. */
  readonly timeoutSeconds: number
  /** Told of each response that is not whole at once, and of each tunnel. */
  readonly streams: LiveStreams
  /** For what the upstream says of where something is; `undefined`: stays as it is. */
  readonly rewriteLocation: RewriteLocation | undefined
}

/**
 * Sends the request to the upstream, its target byte for byte, and streams both bodies as fast as the slower side takes them. An upgrade
 * that the upstream takes becomes a tunnel; what else it says to one is a response like any other.
 *
 * Resolves once the reply is out of Fastify's hands: when the response began, or when the client has gone. Rejects with
 * `GW_UPSTREAM_UNREACHABLE`, `GW_UPSTREAM_LOST` or `GW_UPSTREAM_TIMEOUT` while an error can still be answered. A response that breaks later
 * is broken off for the client too: it must never look whole (T-41), and so is one whose session ends before it. Nothing is sent twice.
 *
 * @param headers flat, names and values in turn
 * @param session whose request it is; `undefined` on a public path
 */
export function dispatch (
  { group, streams, timeoutSeconds, rewriteLocation }: DispatchOptions, request: FastifyRequest, reply: FastifyReply, headers: string[],
  session: LiveStream['session'],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const exchange = new Exchange({ request, reply, session, streams, rewriteLocation, resolve, reject })
    if (reply.raw.destroyed) return exchange.clientHasGone()
    reply.raw.on('close', () => exchange.clientHasGone())
    const upgrade = isUpgrade(request.raw) ? 'websocket' : null
    const { method, raw: { url: path = '/' } } = request
    group.dispatch({ method, path, headers, body: exchange.requestBody(), upgrade, headersTimeout: timeoutSeconds * 1000 }, exchange)
  })
}

const clientGone = new Error('the client has gone')

/** An event of ours that the client doesn't take must not keep its connection. */
const farewellMs = 1_000

interface ExchangeParts {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly session: LiveStream['session']
  readonly streams: LiveStreams
  readonly rewriteLocation: RewriteLocation | undefined
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** One request and its response, as undici reports on it. */
class Exchange implements Dispatcher.DispatchHandler, LiveStream {
  readonly session: LiveStream['session']
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #streams: LiveStreams
  readonly #rewriteLocation: RewriteLocation | undefined
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #isOver = false
  #isBodyRead = false
  #isResponseBegun = false
  #events: EventBoundary | undefined

  constructor ({ request, reply, session, streams, rewriteLocation, resolve, reject }: ExchangeParts) {
    this.session = session
    this.#streams = streams
    this.#rewriteLocation = rewriteLocation
    this.#request = request
    this.#reply = reply
    this.#incoming = request.raw
    this.#outgoing = reply.raw
    this.#resolve = resolve
    this.#reject = reject
  }

  get isEndless (): boolean {
    return this.#events !== undefined
  }

  /**
   * As an iterable, which undici takes though its types don't say so: a stream it would destroy, and with it the client's
   * connection, on which a fault has yet to be answered.
   */
  requestBody (): Readable | null {
    const { headers } = this.#incoming
    if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return null
    const iterable = {
      [Symbol.asyncIterator]: () => {
        this.#isBodyRead = true
        return this.#incoming.iterator({ destroyOnReturn: false })
      },
    }
    return iterable as unknown as Readable
  }

  clientHasGone (): void {
    this.#streams.remove(this)
    if (this.#outgoing.writableFinished) return
    this.#reply.hijack()
    this.#resolve()
    this.#abort()
  }

  /** The session has: what is left of the response is for nobody. */
  end (reason: StreamEnd): void {
    this.#streams.remove(this)
    if (this.#isOver || this.#outgoing.writableFinished) return
    const sessionRef = this.session?.ref.slice(0, 8)
    this.#request.log.info({ event: 'forward.stream-ended', stream: this.isEndless ? 'events' : 'response', reason, sessionRef }, 'a response was broken off')
    this.#abort()
    const leave = (): void => { breakOff(this.#incoming, this.#outgoing) }
    const mayTell = this.#events?.isHere === true && reason !== 'gateway-closing' && !this.#outgoing.writableEnded
    if (!mayTell) return leave()
    this.#outgoing.write(endEvent(reason), leave)
    setTimeout(leave, farewellMs).unref()
  }

  #abort (): void {
    this.#isOver = true
    this.#controller?.abort(clientGone)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(clientGone)
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, upstream: UpstreamHeaders, statusText = ''): void {
    if (status < 200) return this.#giveHint(status, upstream)
    refuseUnaskedCoding(upstream)
    const headers = this.#clientHeaders(upstream)
    // Whole with its head (RFC 9112 §6.3), whatever undici makes of a `content-length` in it.
    const hasBody = status !== 204 && status !== 304 && this.#request.method !== 'HEAD'
    const trailers = hasBody && this.#incoming.httpVersion !== '1.0' ? announcedTrailers(upstream) : ''
    if (trailers !== '') headers.push('trailer', trailers)
    if (this.#endsConnection()) headers.push('connection', 'close')
    this.#outgoing.writeHead(status, isHeaderSafe(statusText) ? statusText : '', headers)
    this.#reply.hijack()
    if (hasBody) {
      this.#watch(upstream)
      process.nextTick(sendHead, this)
    } else this.#outgoing.end()
    this.#resolve()
  }

  /** Of all informational responses only 103 (RFC 8297) is for the client; the others are about this hop (RFC 9110 §15.2). */
  #giveHint (status: number, upstream: UpstreamHeaders): void {
    if (status !== 103 || isUpgrade(this.#incoming)) return
    const outgoing: unknown = this.#outgoing
    if (outgoing instanceof Http2Response) outgoing.writeHints(responseHeadersOf(upstream).headers)
    else if (this.#incoming.httpVersion === '1.1') this.#outgoing.socket?.write(hintHeadOf(upstream), 'latin1')
  }

  /** Node keeps the head until there is something of the body; an event stream may have nothing to say for an hour. */
  sendHead (): void {
    if (!this.#isResponseBegun && !this.#isOver) this.#outgoing.flushHeaders()
  }

  #watch (upstream: UpstreamHeaders): void {
    const isPlain = upstream['content-encoding'] === undefined
    if (isPlain && String(upstream['content-type']).startsWith('text/event-stream')) this.#events = new EventBoundary()
    this.#streams.add(this)
  }

  onRequestUpgrade (_controller: Dispatcher.DispatchController, status: number, upstream: UpstreamHeaders, stream: Duplex): void {
    const headers = this.#clientHeaders(upstream)
    this.#outgoing.writeHead(status, [...headers, 'connection', 'upgrade', 'upgrade', 'websocket'])
    this.#outgoing.flushHeaders()
    this.#reply.hijack()
    this.#resolve()
    const client = takeSocket(this.#outgoing)
    if (client === undefined) stream.destroy()
    else openTunnel({ client, upstream: stream as Socket }, this.session, this.#streams, this.#request.log)
  }

  #clientHeaders (upstream: UpstreamHeaders): (string | string[])[] {
    const { headers, refusedCookies } = responseHeadersOf(upstream, this.#rewriteLocation)
    if (refusedCookies > 0) this.#request.log.warn({ event: 'forward.cookie-refused', refusedCookies }, 'the upstream set a cookie of ours')
    return headers
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#isResponseBegun = true
    this.#events?.see(chunk)
    if (this.#outgoing.write(chunk)) return
    controller.pause()
    this.#outgoing.once('drain', () => controller.resume())
  }

  onResponseEnd (_controller: Dispatcher.DispatchController, upstream: UpstreamHeaders): void {
    if (this.#outgoing.writableEnded) return
    this.#isResponseBegun = true
    const trailers = trailersOf(upstream)
    // Node leaves them away where there is no room for them.
    if (trailers !== undefined) this.#outgoing.addTrailers(trailers)
    this.#outgoing.end()
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver || this.#outgoing.writableEnded) return
    if (this.#outgoing.headersSent) {
      this.#request.log.warn({ event: 'forward.response-broken', code: codeOf(error) }, 'the upstream broke off its response')
      return breakOff(this.#incoming, this.#outgoing)
    }
    if (this.#endsConnection()) this.#reply.header('connection', 'close')
    this.#reject(faultOf(error, this.#controller !== undefined))
  }

  /** The rest of a body that undici has begun to read has no reader any more: it must not stand before the next request (T-24). */
  #endsConnection (): boolean {
    if (!this.#isBodyRead || this.#incoming.complete) return false
    closeGentlyAfter(this.#incoming)
    return true
  }
}

function sendHead (exchange: Exchange): void {
  exchange.sendHead()
}

/** @param isSent a connection had taken the request: the upstream may have acted on it */
function faultOf (error: Error, isSent: boolean): Error {
  if (!isSent) return new faults.UpstreamUnreachable({ cause: error })
  const Fault = codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT' ? faults.UpstreamTimeout : faults.UpstreamLost
  return new Fault({ cause: error })
}
