import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/coded-errors.ts'
import type { UpstreamHeaders } from '../response-headers.ts'
import type { UpstreamRequest, UpstreamServer } from './upstream-server.ts'

export interface AttemptsOptions {
  readonly clock: Clock
  /** `undefined` if none is left. */
  choose (now: number, failed: readonly UpstreamServer[]): UpstreamServer | undefined
}

const none: readonly UpstreamServer[] = []

/**
 * One request, offered to one server after the other until one has a connection for it. From then on it is that one's, whatever comes: a
 * byte may have been sent, so another attempt would be a second request (T-41). That holds for every method, and so does the other half: a
 * request for which there was no connection has been sent to nobody (RFC 9110 §9.2.2).
 */
export class Attempts implements Dispatcher.DispatchHandler {
  readonly #options: AttemptsOptions
  readonly #request: UpstreamRequest
  readonly #handler: Dispatcher.DispatchHandler
  readonly #begunAt: number
  /** Most requests meet no server that fails. */
  #failed = none
  #server: UpstreamServer | undefined
  #chosenAt: number
  #isSent = false
  #isAnswered = false

  constructor (options: AttemptsOptions, request: UpstreamRequest, handler: Dispatcher.DispatchHandler) {
    this.#options = options
    this.#request = request
    this.#handler = handler
    this.#begunAt = this.#chosenAt = options.clock.now()
  }

  /** @returns whether there is one to offer it to */
  next (): boolean {
    const server = this.#options.choose(this.#chosenAt, this.#failed)
    if (server === undefined) return false
    this.#server = server
    server.load++
    server.send(this.#request, this)
    return true
  }

  /** The server has no more to do with it. */
  #leave (): UpstreamServer | undefined {
    const server = this.#server
    if (server !== undefined) server.load--
    this.#server = undefined
    return server
  }

  onRequestStart (controller: Dispatcher.DispatchController, context: unknown): void {
    this.#isSent = true
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart (controller: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders, statusText?: string): void {
    this.#hearAnswer()
    this.#handler.onResponseStart?.(controller, status, headers, statusText)
  }

  onRequestUpgrade (controller: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders, stream: Duplex): void {
    this.#hearAnswer()
    stream.once('close', () => { this.#leave() })
    this.#handler.onRequestUpgrade?.(controller, status, headers, stream)
  }

  #hearAnswer (): void {
    this.#isAnswered = true
    this.#server?.hasAnswered(this.#chosenAt)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd (controller: Dispatcher.DispatchController, trailers: UpstreamHeaders): void {
    this.#leave()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError (controller: Dispatcher.DispatchController, error: Error): void {
    const server = this.#leave()
    if (server !== undefined && !this.#isSent && isConnectionFailure(error)) {
      server.hasRefused(error)
      if (this.#mayTryAnother(server) && this.next()) return
    } else if (server !== undefined && this.#isSent && !this.#isAnswered && isServersDoing(error)) server.hasBroken(error)
    this.#handler.onResponseError?.(controller, error)
  }

  #mayTryAnother (failed: UpstreamServer): boolean {
    this.#failed = [...this.#failed, failed]
    this.#chosenAt = this.#options.clock.now()
    return this.#chosenAt - this.#begunAt < this.#request.headersTimeout
  }
}

/** What undici says itself is about the request or the end of the gateway, but for this. */
function isConnectionFailure (error: Error): boolean {
  const code = codeOf(error)
  return code === 'UND_ERR_CONNECT_TIMEOUT' || code?.startsWith('UND_ERR_') !== true
}

/**
 * It closed or reset the connection, kept silent, or spoke something else. What the client does ends here as well: it goes, or breaks off
 * its upload (`ECONNRESET`, but of no system call).
 */
function isServersDoing (error: Error): boolean {
  if ('syscall' in error || error instanceof errors.HTTPParserError) return true
  return /^(?:UND_ERR_SOCKET|UND_ERR_HEADERS_TIMEOUT|ERR_SSL_.+)$/.test(codeOf(error) ?? '')
}
