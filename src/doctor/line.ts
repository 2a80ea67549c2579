import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Clock } from '../base/clock.ts'

/** What came back, as bytes: the signature of an answer covers them before anybody has read them (sync.md §3.6). */
export interface RawAnswer {
  readonly status: number
  readonly httpVersion: string
  /** Names and values in turn, spelled as they came. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export type Reply =
  | { readonly kind: 'answer', readonly answer: RawAnswer, readonly milliseconds: number }
  /** No answer came: `ECONNREFUSED`, a TLS code, `too-late`, `too-long`. */
  | { readonly kind: 'none', readonly code: string, readonly milliseconds: number }

export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface Line {
  /** Never rejects. */
  send (sent: Sent, patienceMilliseconds: number): Promise<Reply>
  close (): void
}

export interface LineOptions {
  readonly clock: Clock
  /** PEM texts of authorities that are trusted beside the known ones. */
  readonly authorities: readonly string[]
}

/** Answers of the protocol have a few hundred bytes; an application's page may have more, and nobody reads it. */
const longestAnswerBytes = 1024 * 1024
/** As the marketplace's examples show (sync.md §0.4): whoever blocks such a client, or packs answers for it, is found. */
const clientHeaders = { 'user-agent': 'Apache-HttpClient/4.5.3 (Java/1.8.0_191)', 'accept-encoding': 'gzip,deflate' }
/** Not a load test. */
const mostConnections = 6

/** The marketplace's client: HTTP/1.1, kept alive, follows no redirect. By Node's own client, since what counts is the bytes. */
export function openLine ({ clock, authorities }: LineOptions): Line {
  const http = new HttpAgent({ keepAlive: true, maxSockets: mostConnections })
  const https = new HttpsAgent({ keepAlive: true, maxSockets: mostConnections, ...trustOf(authorities) })
  const attempt = async (sent: Sent, patienceMilliseconds: number, mayRepeat: boolean): Promise<Reply> => {
    const startedAt = clock.now()
    const spent = (): number => clock.now() - startedAt
    const isHttps = sent.url.startsWith('https:')
    const { method } = sent
    const headers = { ...clientHeaders, ...sent.headers }
    const options = { method, headers, agent: isHttps ? https : http, signal: AbortSignal.timeout(patienceMilliseconds) }
    const call = isHttps ? httpsRequest(sent.url, options) : httpRequest(sent.url, options)
    try {
      const answer = await perform(call, sent.body)
      return { kind: 'answer', answer, milliseconds: spent() }
    } catch (error) {
      // The server closed an idle connection in the moment in which we took it: no fault of anybody.
      if (mayRepeat && call.reusedSocket && codeIn(error) === 'ECONNRESET') return attempt(sent, patienceMilliseconds, false)
      return { kind: 'none', code: codeIn(error), milliseconds: spent() }
    }
  }
  return {
    send: (sent, patienceMilliseconds) => attempt(sent, patienceMilliseconds, true),
    close () {
      http.destroy()
      https.destroy()
    },
  }
}

/** Node's own authorities would be forgotten if others stood in their place. */
export function trustOf (authorities: readonly string[]): { readonly ca?: string[] } {
  return authorities.length === 0 ? {} : { ca: [...authorities] }
}

async function perform (call: ClientRequest, body: string | undefined): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    call.once('error', reject)
    call.once('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > longestAnswerBytes) call.destroy(Object.assign(new Error('the answer has no end'), { code: 'too-long' }))
        else chunks.push(chunk)
      })
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode = 0, httpVersion, rawHeaders } = response
        resolve({ status: statusCode, httpVersion, rawHeaders, body: Buffer.concat(chunks) })
      })
    })
    call.end(body)
  })
}

export function codeIn (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'too-late'
  // Of several addresses none answered: the first says why.
  if (error instanceof AggregateError && error.errors.length > 0) return codeIn(error.errors[0])
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** The first header of this name, `''` if there is none. */
export function headerOf ({ rawHeaders }: RawAnswer, isMeant: (name: string) => boolean): string | undefined {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (isMeant(rawHeaders[at] ?? '')) return rawHeaders[at + 1] ?? ''
  }
  return undefined
}
