import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { closeGently } from '../base/close-gently.ts'
import { codeOf } from '../base/coded-errors.ts'
import { textsOf } from './texts/texts-of.ts'

/** What node knows of a connection and of the response that it is waiting for. */
type HttpSocket = Socket & { readonly _httpMessage?: ServerResponse | null }

/**
 * Answers what node can't read as a request, or doesn't get whole in time, and ends the connection: nobody knows where the next request
 * would begin (RFC 9112 §11.2; T-24, C-42). Nobody knows the reader either, so it speaks both languages.
 */
export function refuseUnreadable (this: FastifyInstance, error: Error, socket: HttpSocket): void {
  const pending = socket._httpMessage ?? undefined
  // A good request before it is on its way: it gets its answer, and nothing is written into that.
  if (pending?.req.complete === true && !socket.destroyed) return endAfter(pending, socket)
  // Of many bad bytes in a row only the first are told of.
  if (!socket.writable || pending?.headersSent === true || codeOf(error) === 'ECONNRESET') {
    if (!socket.writableEnded) socket.destroy()
    return
  }
  const status = statusOf(error)
  this.log.info({ event: 'request.unreadable', status, because: codeOf(error) }, 'no request could be read')
  const body = bodyOf(status)
  socket.write([
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'content-type: application/problem+json; charset=utf-8', 'cache-control: no-store',
    'x-content-type-options: nosniff', `content-length: ${Buffer.byteLength(body)}`, 'connection: close', '', body,
  ].join('\r\n'))
  // A request whose body broke is on its way to somebody who must hear of it now.
  if (pending === undefined) closeGently(socket)
  else socket.destroy()
}

function endAfter (pending: ServerResponse, socket: Socket): void {
  // Else node ends it by itself.
  if (!pending.shouldKeepAlive) return
  pending.shouldKeepAlive = false
  pending.once('finish', () => { socket.destroySoon() })
}

function statusOf (error: Error): 400 | 408 | 431 {
  const code = codeOf(error)
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

function bodyOf (status: 400 | 408 | 431): string {
  const code = status === 431 ? 'GW_REQUEST_HEADERS_TOO_LARGE' : 'GW_REQUEST_INVALID'
  const [chinese, english] = [textsOf('zh-CN').faults[code], textsOf('en').faults[code]]
  return JSON.stringify({
    type: `urn:jointgate:fault:${code}`,
    title: `${chinese.title} / ${english.title}`,
    status,
    detail: `${chinese.whatHappened}${chinese.whatToDo} / ${english.whatHappened} ${english.whatToDo}`,
    code,
  })
}
