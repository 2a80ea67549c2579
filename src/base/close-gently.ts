import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** How long a client may take to read the last answer and to stop sending. */
const lingerMs = 2_000

/**
 * Ends our side, and the other one soon: closing while there is something unread would be a reset, which may overtake the answer
 * (RFC 9112 §9.6). Who calls this must see that what still comes is read.
 */
export function closeGently (socket: Socket): void {
  socket.end()
  const timer = setTimeout(() => { socket.destroy() }, lingerMs).unref()
  socket.once('close', () => { clearTimeout(timer) })
}

/** The same for a connection that node closes after the answer to this request, whose body nobody will read to its end. */
export function closeGentlyAfter (request: IncomingMessage): void {
  // Streams of HTTP/2 end one by one.
  if (request.httpVersionMajor !== 1) return
  const { socket } = request
  socket.destroySoon = () => {
    closeGently(socket)
    // Who had begun to read it waits for more without wanting any.
    request.removeAllListeners('readable').on('data', () => {})
    process.nextTick(() => { request.resume() })
  }
}
