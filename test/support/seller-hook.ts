import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReceivedCall {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface SellerHook {
  readonly url: string
  readonly calls: ReceivedCall[]
  /** What the next calls get: a status and a body, or a hand of one's own on the response. */
  answer: { status: number, body?: unknown } | ((call: ReceivedCall, response: ServerResponse) => void)
}

interface Test { teardown (closer: () => unknown): void }

/** A server on loopback in the place of somebody else's: records what it is asked and answers as told. */
export async function openSellerHook (t: Test): Promise<SellerHook> {
  const server = createServer((request, response) => { void receive(request, response) })
  const hook: SellerHook = { url: '', calls: [], answer: { status: 204 } }
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    const call = { method, path, headers, body: Buffer.concat(chunks).toString() }
    hook.calls.push(call)
    if (typeof hook.answer === 'function') return hook.answer(call, response)
    const { status, body } = hook.answer
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return Object.assign(hook, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
