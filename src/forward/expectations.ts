import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

type Arrival = [request: IncomingMessage, response: ServerResponse]

/**
 * `Expect: 100-continue` (RFC 9110 §10.1.1): a client that waits is told to go on when somebody begins to read its body, and not before.
 * Who is turned away keeps the body, and the connection ends with the answer: nobody knows what would come next on it. So does one with
 * an expectation that we don't know, since its client may be waiting too (T-24).
 */
export function answerExpectations (app: FastifyInstance): void {
  app.server.on('checkContinue', (...[request, response]: Arrival) => {
    // Node takes whatever holds the word.
    if (request.headers.expect?.toLowerCase() !== '100-continue') return refuse(request, response)
    const read = request._read.bind(request)
    request._read = (size) => {
      request._read = read
      // What is read after the answer is only read to be thrown away.
      if (!response.headersSent) response.writeContinue()
      read(size)
    }
    app.routing(request, response)
  })
  app.server.on('checkExpectation', refuse)
}

function refuse (...[request, response]: Arrival): void {
  // HTTP/2 has streams that end by themselves, and no such header.
  if (request.httpVersionMajor === 1) response.setHeader('connection', 'close')
  response.writeHead(417, { 'cache-control': 'no-store', 'content-length': 0 }).end()
}
