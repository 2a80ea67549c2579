import { createServer } from 'node:http'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { publicServer } from './public-server.ts'

/** V8 makes up its mind about a class at its seventh object. */
const rounds = 16

/**
 * Has node's classes for requests and responses of HTTP/1.1 meet a few of them before anybody comes, on a server that listens to nobody.
 *
 * V8 fits the objects of a class to what the first seven turned out to hold. If a full collection comes just before the seventh, as it does
 * in a gateway that has answered six requests and then nobody for some seconds, it finds none of them left, fits the class to nothing,
 * and each request from then on costs a third more, for as long as the process lives (docs/decisions/0013).
 *
 * @returns how many were met; fewer than all hinder nobody
 */
export async function rehearseHttp (): Promise<number> {
  // Kept until the last one was here: a collection may come in the middle of this, too.
  const met: unknown[] = []
  const server = createServer(publicServer(undefined).http, (request, response) => {
    met.push(request, response)
    response.end()
  })
  for (let round = 0; round < rounds; round++) {
    const [client, connection] = duplexPair()
    connection.once('close', () => { client.destroy() })
    server.emit('connection', connection)
    client.end('GET / HTTP/1.1\r\nhost: rehearsal\r\nconnection: close\r\n\r\n')
    await text(client).catch(() => {})
  }
  return met.length / 2
}
