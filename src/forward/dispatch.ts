import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { codeOf, faults } from '../base/coded-errors.ts'
import { responseHeadersOf, type UpstreamHeaders } from './response-headers.ts'

/**
 * Sends the request to the upstream, its target byte for byte, and streams both bodies as fast as the slower side takes them.
 *
 * Resolves once the reply is out of Fastify's hands: when the response began, or when the client has gone. Rejects with
 * `GW_UPSTREAM_UNREACHABLE` or `GW_UPSTREAM_TIMEOUT` while an error can still be answered. A response that breaks later is broken off
 * for the client too: it must never look whole (T-41). Nothing is ever sent twice.
 *
 * @param headers flat, names and values in turn
 */
export function dispatch (pool: Dispatcher, request: FastifyRequest, reply: FastifyReply, headers: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const exchange = new Exchange(request, reply, resolve, reject)
    if (reply.raw.destroyed) return exchange.clientHasGone()
    reply.raw.on('close', () => exchange.clientHasGone())
    pool.dispatch({ method: request.method, path: request.raw.url ?? '/', headers, body: exchange.requestBody() }, exchange)
  })
}

const clientGone = new Error('the client has gone')

/** One request and its response, as undici reports on it. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #isClientGone = false
  #isBodyRead = false

  constructor (request: FastifyRequest, reply: FastifyReply, resolve: () => void, reject: (error: Error) => void) {
    this.#request = request
    this.#reply = reply
    this.#incoming = request.raw
    this.#outgoing = reply.raw
    this.#resolve = resolve
    this.#reject = reject
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
    if (this.#outgoing.writableFinished) return
    this.#isClientGone = true
    this.#reply.hijack()
    this.#resolve()
    this.#controller?.abort(clientGone)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isClientGone) controller.abort(clientGone)
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, upstream: UpstreamHeaders, statusText = ''): void {
    // An informational response (RFC 9110 §15.2) is about this hop or a hint at best.
    if (status < 200) return
    const { headers, refusedCookies } = responseHeadersOf(upstream)
    if (refusedCookies > 0) this.#request.log.warn({ event: 'forward.cookie-refused', refusedCookies }, 'the upstream set a cookie of ours')
    if (this.#leavesBodyUnread()) headers.push('connection', 'close')
    this.#outgoing.writeHead(status, isHeaderSafe.test(statusText) ? statusText : '', headers)
    this.#reply.hijack()
    // Whole with its head (RFC 9112 §6.3), whatever undici makes of a `content-length` in it.
    if (status === 204 || status === 304 || this.#request.method === 'HEAD') this.#outgoing.end()
    this.#resolve()
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#outgoing.write(chunk)) return
    controller.pause()
    this.#outgoing.once('drain', () => controller.resume())
  }

  onResponseEnd (): void {
    if (!this.#outgoing.writableEnded) this.#outgoing.end()
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isClientGone || this.#outgoing.writableEnded) return
    if (this.#outgoing.headersSent) {
      this.#request.log.warn({ event: 'forward.response-broken', code: codeOf(error) }, 'the upstream broke off its response')
      return breakOff(this.#incoming, this.#outgoing)
    }
    if (this.#leavesBodyUnread()) this.#reply.header('connection', 'close')
    this.#reject(faultOf(error))
  }

  /** The rest of a body that undici has begun to read has no reader any more: it must not stand before the next request (T-24). */
  #leavesBodyUnread (): boolean {
    return this.#isBodyRead && !this.#incoming.complete
  }
}

/** What node lets into a status line; undici decodes the upstream's as UTF-8. */
const isHeaderSafe = /^[\t\x20-\x7e\x80-\xff]*$/

function faultOf (error: Error): Error {
  const Fault = codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT' ? faults.UpstreamTimeout : faults.UpstreamUnreachable
  return new Fault({ cause: error })
}

/** To an HTTP/1.0 client the end of the connection is the end of the body, so only a reset tells it that the body is not whole. */
function breakOff (incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.httpVersion === '1.0') incoming.socket.resetAndDestroy()
  else outgoing.destroy()
}
