import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RecordedRequest {
  readonly method: string
  readonly target: string
  readonly headers: Record<string, string | string[] | undefined>
}

export interface RecordingUpstream {
  readonly url: string
  readonly requests: RecordedRequest[]
  /** Replaces what it answers; by default 200 and "the application". */
  answer: (request: IncomingMessage, response: ServerResponse) => void
}

/** The seller's application, as far as a flow needs one: answers and remembers who came. */
export async function openRecordingUpstream (t: { teardown (closer: () => unknown): void }): Promise<RecordingUpstream> {
  const requests: RecordedRequest[] = []
  const upstream = {
    url: '',
    requests,
    answer: (_request: IncomingMessage, response: ServerResponse): void => { response.end('the application') },
  }
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers })
    upstream.answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return upstream
}
