import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'

/** A client that the test leads step by step. */
export function dial (port: number): Socket & { received: string, until (part: string): Promise<void>, readonly gone: Promise<void> } {
  const socket = connect(port, '127.0.0.1')
  const client = Object.assign(socket, {
    received: '',
    // A reset is an end like any other.
    gone: new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) }),
    async until (part: string) { while (!client.received.includes(part)) await once(socket, 'data') },
  })
  return client.on('data', (chunk: Buffer) => { client.received += chunk.toString('latin1') }).on('error', () => {})
}

type Exchange = [req: IncomingMessage, res: ServerResponse]

/** An upstream whose answers the test gives itself, as they come. */
export function manualAnswers (): { answer: (req: IncomingMessage, res: ServerResponse) => void, next: () => Promise<Exchange> } {
  const arrivals = new EventEmitter()
  const arrived: Exchange[] = []
  return {
    answer: (req, res) => {
      arrived.push([req, res])
      arrivals.emit('arrival')
    },
    next: async () => {
      if (arrived.length === 0) await once(arrivals, 'arrival')
      return arrived.shift() as Exchange
    },
  }
}
