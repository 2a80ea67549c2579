import { LogController, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import { describeError } from './describe-error.ts'

/**
 * Members that no line of ours should hold. The lines are built from allow-listed fields; this is the net below them (T-38).
 * `code` is not here: faults have one.
 */
const neverLogged = [
  'accessToken', 'refreshToken', 'access_token', 'refresh_token', 'clientSecret', 'client_secret', 'token', 'assertion', 'password',
  'authorization', 'cookie', 'set-cookie', 'headers', 'body', 'query', 'mobile', 'email', 'sessionId',
]

/** Where log lines go: stdout unless a test listens. */
export interface LogStream { write(line: string): void }

export type LogOptions = Exclude<FastifyServerOptions['logger'], boolean | undefined>

/**
 * Fastify's `logger` option: JSON lines with the level's name, UTC time, our serializers and the redaction list (C-65).
 *
 * Each line of ours has a constant `event`, to be searched for and counted; the message is for reading. `error` asks somebody to act,
 * a refusal is `info`.
 */
export function createLogOptions ({ level, stream }: { level: string, stream?: LogStream }): LogOptions {
  return {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { req: describeRequest, err: describeError },
    redact: { paths: neverLogged.flatMap((name) => [`["${name}"]`, `*["${name}"]`]), censor: '[hidden]' },
    ...(stream === undefined ? {} : { stream }),
  }
}

/** Fastify's `logController` option: its own request lines are off, since they would print the query (T-38). */
export function createLogController (): LogController {
  return new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' })
}

/** The path without its query (`?code=…` would be in it) and without the secret that ends one; no header. */
function describeRequest (request: Pick<FastifyRequest, 'method' | 'url' | 'id'>) {
  const path = (request.url.split('?', 1)[0] ?? '').replace(/(\/backchannel-logout\/).+/, '$1[hidden]')
  return { method: request.method, path: path.slice(0, 512), requestId: request.id }
}
