import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { codeOf, faults } from '../base/coded-errors.ts'
import type { Place } from '../base/roster.ts'
import { shortRef } from '../session/session.ts'
import { breakOff } from './break-off.ts'
import { endEvent, EventBoundary } from './event-boundary.ts'
import { Http2Response } from './http2-response.ts'
import type { LiveStream, StreamEnd } from './live-streams.ts'
import type { ExchangeOptions } from './exchange-options.ts'
import { RequestBody } from './request-body.ts'
import { hintHeadOf, isHeaderSafe, refuseUnaskedCoding } from './response-head.ts'
import { announcedTrailers, responseHeadersOf, trailersOf, type UpstreamHeaders } from './response-headers.ts'
import type { Exchanging } from './stalled-clients.ts'
import { openTunnel } from './tunnel.ts'
import { upstreamFault } from './upstream-fault.ts'
import { isUpgrade, takeSocket } from './upgrade.ts'

const clientGone = new Error('the client has gone')

/** An event of ours that the client doesn't take must not keep its connection. */
const farewellMs = 1_000

export type Outcome = 'answered' | 'session-ended'

export interface ExchangeParts {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly session: LiveStream['session']
  readonly options: ExchangeOptions
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

/** One request and its response, as undici reports on it. */
export class Exchange implements Dispatcher.DispatchHandler, LiveStream, Exchanging {
  readonly session: LiveStream['session']
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #options: ExchangeOptions
  readonly #body: RequestBody
  readonly #resolve: ExchangeParts['resolve']
  readonly #reject: ExchangeParts['reject']
  #amongStreams: Place | undefined
  #amongStalled: Place | undefined
  #controller: Dispatcher.DispatchController | undefined
  #isOver = false
  #isResponseBegun = false
  #isHeldBack = false
  #givenBytes = 0
  #events: EventBoundary | undefined

  constructor ({ request, reply, session, options, resolve, reject }: ExchangeParts) {
    this.session = session
    this.#request = request
    this.#reply = reply
    this.#incoming = request.raw
    this.#outgoing = reply.raw
    this.#options = options
    this.#body = new RequestBody(request.raw)
    this.#resolve = resolve
    this.#reject = reject
  }

  get isEndless (): boolean {
    return this.#events !== undefined
  }

  get waitsForClient (): boolean {
    return this.#isHeldBack || (this.#body.waitsForClient && !this.#outgoing.headersSent)
  }

  get movedBytes (): number {
    return this.#body.takenBytes + this.#givenBytes
  }

  begin (headers: string[]): void {
    const { group, streams, stalledClients, timeoutSeconds } = this.#options
    const { method, raw: { url: path = '/' } } = this.#request
    const body = this.#body.source()
    // Not only from the response on: a session may end while a body is sent, or while the application thinks (T-13).
    this.#amongStreams = streams.add(this)
    if (body !== null) this.#amongStalled = stalledClients.add(this)
    const upgrade = isUpgrade(this.#incoming) ? 'websocket' : null
    group.dispatch({ method, path, headers, body, upgrade, headersTimeout: timeoutSeconds * 1000 }, this)
  }

  #leave (): void {
    this.#amongStreams?.leave()
    this.#amongStalled?.leave()
  }

  clientHasGone (): void {
    this.#leave()
    if (this.#outgoing.writableFinished) return
    this.#reply.hijack()
    this.#resolve('answered')
    this.#abort()
  }

  giveUp (): void {
    if (this.#isOver || this.#outgoing.writableFinished) return
    this.#request.log.info({ event: 'forward.client-stalled' }, 'the client neither sent nor took anything')
    this.#abort()
    if (this.#outgoing.headersSent) breakOff(this.#incoming, this.#outgoing)
    else this.#fail(new faults.RequestStalled())
  }

  /** The session has: what is left of the response is for nobody. */
  end (reason: StreamEnd): void {
    this.#leave()
    if (this.#isOver || this.#outgoing.writableFinished) return
    const sessionRef = this.session && shortRef(this.session.ref)
    const { headersSent } = this.#outgoing
    const stream = this.isEndless ? 'events' : headersSent ? 'response' : 'request'
    this.#request.log.info({ event: 'forward.stream-ended', stream, reason, sessionRef }, 'what was under way was broken off')
    this.#abort()
    if (!headersSent) {
      this.#endConnectionAfterBody()
      return this.#resolve('session-ended')
    }
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
    if (this.#body.leave()) headers.push('connection', 'close')
    this.#outgoing.writeHead(status, isHeaderSafe(statusText) ? statusText : '', headers)
    this.#reply.hijack()
    if (hasBody) {
      this.#watch(upstream)
      process.nextTick(sendHead, this)
    } else this.#outgoing.end()
    this.#resolve('answered')
  }

  /** Of all informational responses only 103 (RFC 8297) is for the client; the others are about this hop (RFC 9110 §15.2). */
  #giveHint (status: number, upstream: UpstreamHeaders): void {
    if (status !== 103 || isUpgrade(this.#incoming)) return
    const outgoing: unknown = this.#outgoing
    const headers = this.#clientHeaders(upstream)
    if (outgoing instanceof Http2Response) outgoing.writeHints(headers)
    else if (this.#incoming.httpVersion === '1.1') this.#outgoing.socket?.write(hintHeadOf(headers), 'latin1')
  }

  /** Node keeps the head until there is something of the body; an event stream may have nothing to say for an hour. */
  sendHead (): void {
    if (!this.#isResponseBegun && !this.#isOver) this.#outgoing.flushHeaders()
  }

  #watch (upstream: UpstreamHeaders): void {
    const isPlain = upstream['content-encoding'] === undefined
    if (!isPlain || !String(upstream['content-type']).startsWith('text/event-stream')) return
    // As what has no end it is judged at once and ends with the gateway.
    this.#amongStreams?.leave()
    this.#events = new EventBoundary()
    this.#amongStreams = this.#options.streams.add(this)
  }

  onRequestUpgrade (_controller: Dispatcher.DispatchController, status: number, upstream: UpstreamHeaders, stream: Duplex): void {
    const headers = this.#clientHeaders(upstream)
    this.#outgoing.writeHead(status, [...headers, 'connection', 'upgrade', 'upgrade', 'websocket'])
    this.#outgoing.flushHeaders()
    this.#reply.hijack()
    this.#resolve('answered')
    this.#leave()
    const client = takeSocket(this.#outgoing)
    if (client === undefined) stream.destroy()
    else openTunnel({ client, upstream: stream as Socket }, this.session, this.#options.streams, this.#request.log)
  }

  #clientHeaders (upstream: UpstreamHeaders): (string | string[])[] {
    const { headers, refusedCookies } = responseHeadersOf(upstream, this.#options.rewriteLocation)
    if (refusedCookies > 0) this.#request.log.warn({ event: 'forward.cookie-refused', refusedCookies }, 'the upstream set a cookie of ours')
    return headers
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#isResponseBegun = true
    this.#events?.see(chunk)
    this.#givenBytes += chunk.length
    if (this.#outgoing.write(chunk)) return
    controller.pause()
    this.#isHeldBack = true
    this.#amongStalled ??= this.#options.stalledClients.add(this)
    this.#outgoing.once('drain', () => {
      this.#isHeldBack = false
      controller.resume()
    })
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
    this.#fail(upstreamFault(error, this.#controller !== undefined))
  }

  #fail (fault: Error): void {
    this.#endConnectionAfterBody()
    this.#reject(fault)
  }

  #endConnectionAfterBody (): void {
    if (this.#body.leave()) this.#reply.header('connection', 'close')
  }
}

function sendHead (exchange: Exchange): void {
  exchange.sendHead()
}
