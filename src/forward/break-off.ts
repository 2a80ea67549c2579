import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'

/** Ends a response that has begun so that it can't look whole (T-41): over HTTP/1.1 its connection, over HTTP/2 its stream alone. */
export function breakOff (incoming: IncomingMessage, outgoing: ServerResponse): void {
  // To an HTTP/1.0 client the end of the connection is the end of the body: only a reset tells it that the body is not whole.
  if (incoming.httpVersion === '1.0') connectionBelow(incoming.socket).resetAndDestroy()
  else outgoing.destroy()
}

/** Node resets no TLS socket, and would say goodbye on it as if all were well; nor does it name the one below. */
function connectionBelow (socket: Socket): Socket {
  const below: unknown = Reflect.get(socket, '_parent')
  return below instanceof Socket ? below : socket
}
