import { readFileSync } from 'node:fs'
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders, type SecureClientSessionOptions } from 'node:http2'
import { Secret } from '../../src/base/secret.ts'
import type { TlsSettings } from '../../src/forward/tls-server.ts'
import { sessionCookie } from './forward-gateway.ts'

const readTls = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8')

/** For `localhost`, by an authority that nobody knows but `authority`. */
export const tls: TlsSettings = { certificate: readTls('localhost'), key: new Secret(readTls('server-key')) }
export const authority = readTls('authority')

interface Test { teardown (run: () => unknown): void }

export function openHttp2 (t: Test, port: number, options: SecureClientSessionOptions = {}): ClientHttp2Session {
  const session = connect(`https://localhost:${port}`, { ca: authority, ...options })
  // The streams tell what went wrong.
  session.on('error', () => {})
  t.teardown(() => { session.destroy() })
  return session
}

export interface Http2Answer {
  status: number
  headers: Record<string, unknown>
  trailers: Record<string, unknown>
  /** latin1. */
  body: string
  /** The code of the error that ended it, '' if it ended well. */
  fault: string
}

/** Reads the whole answer, or what there is of it. */
export async function answerOf (stream: ClientHttp2Stream): Promise<Http2Answer> {
  const answer: Http2Answer = { status: 0, headers: {}, trailers: {}, body: '', fault: '' }
  stream.on('response', (headers) => {
    answer.status = Number(headers[':status'])
    answer.headers = headers
  })
  stream.on('trailers', (trailers) => { answer.trailers = trailers })
  stream.on('data', (chunk: Buffer) => { answer.body += chunk.toString('latin1') })
  stream.on('error', (error) => { answer.fault = error.message })
  await new Promise((resolve) => { stream.once('close', resolve) })
  return answer
}

/** By default signed in. */
export async function ask (session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<Http2Answer> {
  const stream = session.request({ ':authority': 'app.example.com', cookie: sessionCookie, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body, 'latin1')
  return await answerOf(stream)
}
