import type { EventEmitter } from 'node:events'
import { validateHeaderValue, type OutgoingHttpHeaders } from 'node:http'
import { constants, Http2ServerResponse, type ServerHttp2Stream } from 'node:http2'

type Value = OutgoingHttpHeaders[string]

interface ResponseBase extends EventEmitter {
  readonly stream: ServerHttp2Stream
  readonly headersSent: boolean
  readonly writableEnded: boolean
  readonly writableFinished: boolean
  readonly destroyed: boolean
  destroy (error?: Error): unknown
  writeHead (status: number, headers?: OutgoingHttpHeaders): this
}

/** Node's types make a `Writable` of it, which it isn't. */
const Base = Http2ServerResponse as unknown as new (stream: ServerHttp2Stream) => ResponseBase

/** Of one connection in HTTP/1.1, and an error in HTTP/2 (RFC 9113 §8.2.2). */
const connectionSpecific: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** A response of HTTP/2 that takes what a `ServerResponse` takes, and tells the same of itself. */
export class Http2Response extends Base {
  constructor (stream: ServerHttp2Stream) {
    super(stream)
    // The client need not send what nobody reads (RFC 9113 §8.1). Node leaves it waiting for room in its window.
    stream.once('finish', () => { setImmediate(() => { if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR) }) })
  }

  override get destroyed (): boolean {
    return this.stream.destroyed || this.stream.closed
  }

  /** Node also ends a stream that the client has reset. */
  override get writableFinished (): boolean {
    return this.writableEnded && !this.stream.aborted && super.writableFinished
  }

  /** Breaks off this stream and no other: it must never look whole (T-41). */
  override destroy (): void {
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  override writeHead (status: number, ...rest: [(string | OutgoingHttpHeaders | Value[])?, (OutgoingHttpHeaders | Value[])?]): this {
    const headers = rest.find((part) => typeof part === 'object')
    // To a client all of these are 5xx (RFC 9110 §15), node's HTTP/2 has none of them.
    return super.writeHead(status > 599 ? 502 : status, headers === undefined ? {} : sendable(headers))
  }

  /** 103 (RFC 8297). */
  writeHints (headers: readonly Value[]): void {
    if (this.headersSent || this.destroyed) return
    const { 'content-length': _none, ...hints } = sendable(headers)
    this.stream.additionalHeaders({ ':status': 103, ...hints })
  }
}

/** @param headers flat or by name */
function sendable (headers: OutgoingHttpHeaders | readonly Value[]): OutgoingHttpHeaders {
  const flat = isList(headers) ? headers : Object.entries(headers).flatMap(([name, value]) => [name, value])
  const sent = Object.create(null) as OutgoingHttpHeaders
  for (let index = 0; index < flat.length; index += 2) {
    const name = String(flat[index]).toLowerCase()
    const values = [sent[name] ?? [], flat[index + 1] ?? []].flat()
    if (connectionSpecific.has(name) || values.length === 0) continue
    for (const value of values) validateHeaderValue(name, String(value))
    // Node throws for some names that come twice. One field with a list says the same (RFC 9110 §5.3), but not of these.
    sent[name] = name === 'set-cookie' || name === 'www-authenticate' ? values.map(String) : values.join(', ')
  }
  return sent
}

function isList (headers: OutgoingHttpHeaders | readonly Value[]): headers is readonly Value[] {
  return Array.isArray(headers)
}
