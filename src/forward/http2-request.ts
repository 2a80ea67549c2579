import { maxHeaderSize, METHODS } from 'node:http'
import { Http2ServerRequest, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { ReadableOptions } from 'node:stream'

/**
 * A request of HTTP/2 as the same request would be over HTTP/1.1, so that nobody behind it needs to know (RFC 9113 §8.8): no pseudo header,
 * a `Host`, one `Cookie`. A body that breaks off is an error and not an end: node would end it (T-24).
 */
export class Http2Request extends Http2ServerRequest {
  constructor (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, options: ReadableOptions, rawHeaders: readonly string[]) {
    super(stream, plainHeaders(stream, headers), options, plainFields(rawHeaders, headers))
    // The stream outlives its session's socket; what is counted later is still counted for who has sent it.
    Object.assign(stream, { remoteAddress: stream.session?.socket.remoteAddress })
    stream.once('aborted', () => { this.destroy(new Error('the client has reset the stream')) })
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void): void {
    // As an IncomingMessage does: that a client leaves is no fault for the process.
    done(this.listenerCount('error') > 0 ? error : null)
  }
}

/**
 * What is wrong with the head, as a status: what node's parser refuses over HTTP/1.1 and HTTP/2 would let through. `:authority` and `Host`
 * must name the same host (RFC 9113 §8.3.1): one of them would pick the route and another server may read the other.
 */
export function judgeHead (request: Http2Request, authority: string | undefined): 400 | 431 | 501 | undefined {
  const { host } = request.headers
  if (host === undefined || (authority !== undefined && authority.toLowerCase() !== host.toLowerCase())) return 400
  if (!methods.has(request.method)) return 501
  return request.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0) > maxHeaderSize ? 431 : undefined
}

const methods: ReadonlySet<string> = new Set(METHODS)

function plainHeaders (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const plain = Object.create(null) as IncomingHttpHeaders
  for (const name in headers) {
    // Node reads its own `method` and `url` here.
    if (name.startsWith(':')) Object.defineProperty(plain, name, { value: headers[name], writable: true })
    else plain[name] = headers[name]
  }
  plain.host ??= headers[':authority']
  // A body of unknown length has no other sign before it is read, and HTTP/1.1 would have this one.
  if (!stream.endAfterHeaders && plain['content-length'] === undefined) plain['transfer-encoding'] = 'chunked'
  return plain
}

/** Cookies may come one by one and are one field to everybody else (RFC 9113 §8.2.3). Node has joined those in `headers`. */
function plainFields (rawHeaders: readonly string[], { host, cookie, ':authority': authority }: IncomingHttpHeaders): string[] {
  const plain = host === undefined && authority !== undefined ? ['host', String(authority)] : []
  let isCookieThere = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const isCookie = name === 'cookie'
    if (name.startsWith(':') || (isCookie && isCookieThere)) continue
    isCookieThere ||= isCookie
    plain.push(name, isCookie ? cookie ?? '' : rawHeaders[index + 1] ?? '')
  }
  return plain
}
