import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Browsers don't pipeline, and who does sends a handful. */
const mostWaiting = 64

/**
 * Resolves when it is this request's turn on its connection. A pipelined one waits: it may follow the sign-out that ends its session
 * (T-13). If the client goes meanwhile, it is never continued.
 *
 * Node slows a client down by the answers that pile up, of which these have none yet, so their number is bounded here: behind one answer
 * that never ends a connection could fill the memory.
 */
export function createPipelinedTurns (): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  const waiting = new WeakMap<Socket, number>()

  return async function turnOf (incoming, outgoing) {
    const { socket } = incoming
    const count = (waiting.get(socket) ?? 0) + 1
    waiting.set(socket, count)
    if (count > mostWaiting) socket.destroy()
    await once(outgoing, 'socket')
    waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
  }
}
