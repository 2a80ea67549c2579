import { once } from 'node:events'
import { METHODS } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { faults } from '../base/coded-errors.ts'
import type { Authentication } from '../session/authentication.ts'
import { isOwnPath, pathOf } from './canonical-path.ts'
import { dispatch } from './dispatch.ts'
import type { IdentityCache } from './identity-cache.ts'
import { createRequestHeaders } from './request-headers.ts'
import { openUpstreamPool } from './upstream-pool.ts'

export interface ForwardRoutesOptions {
  /** Scheme, host and port, nothing else. */
  readonly upstream: URL
  readonly publicUrl: URL
  /** The gateway's prefix. Not named `prefix`: Fastify would mount the routes under it. */
  readonly ownPrefix: string
  readonly identities: Pick<IdentityCache, 'headersFor'>
  /** How long the upstream may take until its response headers are here. */
  readonly upstreamTimeoutSeconds: number
  /** Decides anew for each request. A fault of the store rejects: nobody is let in and nobody is turned away (C-35). */
  authenticate (cookieHeader: string | undefined): Promise<Authentication>
  /** Answers by `reply.send`. What it resolves to isn't looked at. */
  turnAway (request: FastifyRequest, reply: FastifyReply, authentication: Exclude<Authentication, { kind: 'allow' }>): Promise<unknown>
}

/**
 * Everything outside the prefix, to the upstream. Faults reach the error handler like any other, as long as nothing was answered.
 *
 * Needs the plugin `canonical-path` before it: whatever comes here has been judged.
 */
export const forwardRoutes: FastifyPluginAsync<ForwardRoutesOptions> = async function forwardRoutes (app, options) {
  if (!app.hasPlugin('canonical-path')) throw new TypeError('forwardRoutes needs canonicalPath registered before it')
  const pool = openUpstreamPool(options.upstream, options.upstreamTimeoutSeconds)
  app.addHook('onClose', async () => { await pool.destroy() })
  const buildHeaders = createRequestHeaders(options.publicUrl)

  async function forward (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    refuseUnforwardable(request, options.ownPrefix)
    // A pipelined request waits for its turn: it may follow the sign-out that ends its session (T-13). If the client goes
    // meanwhile, this is never continued.
    if (reply.raw.socket === null) await once(reply.raw, 'socket')
    const authentication = await options.authenticate(request.headers.cookie)
    if (authentication.kind !== 'allow') {
      await options.turnAway(request, reply, authentication)
      return
    }
    const identity = await options.identities.headersFor(authentication.session.ref, authentication.principal)
    await dispatch(pool, request, reply, buildHeaders(request, identity))
  }

  app.route({
    method: allowEveryMethod(app),
    url: '/*',
    // Not in the handler: before that, Fastify answers 415 to a content type that it can't parse, which is none of our business.
    // The hook calls `done` for faults only. After it has answered, nothing else may run.
    onRequest: (request, reply, done) => { forward(request, reply).catch(done) },
    handler: () => { throw new faults.Internal() },
  })
  refuseConnect(app)
}

/** Browsers send twenty. Of more than 2000 fields node itself reads only the first, and others of fewer (C-42). */
const mostHeaderFields = 200

/** @throws the fault to answer with, if the request is none for the upstream, whoever sends it */
function refuseUnforwardable ({ method, headers, raw }: FastifyRequest, ownPrefix: string): void {
  if (isOwnPath(pathOf(raw.url ?? ''), ownPrefix)) throw new faults.NotFound()
  // C-44: TRACE echoes what it gets, identity and all.
  if (method === 'TRACE') throw new faults.MethodRefused()
  if (raw.rawHeaders.length > 2 * mostHeaderFields) throw Object.assign(new faults.RequestRefused(), { statusCode: 431 })
  // A plain h2c offer may be ignored (RFC 9110 §7.8), and some clients make it with each request; others need the upgrade.
  if (headers.upgrade !== undefined && headers.upgrade.toLowerCase() !== 'h2c') throw new faults.UpgradeRefused()
  // A coding besides `chunked` would be lost with the header that names it (RFC 9112 §6.1; T-24).
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') throw new faults.RequestRefused()
}

/** Fastify knows the usual methods, applications use all that node can parse (WebDAV). */
function allowEveryMethod (app: FastifyInstance): string[] {
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  for (const method of methods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  }
  return methods
}

/** Node reports CONNECT apart from requests, without a response to write to (C-44). */
function refuseConnect (app: FastifyInstance): void {
  app.server.on('connect', (_request: unknown, socket: Duplex) => {
    // The client may be gone before it reads this; nobody is left to tell.
    socket.on('error', () => {})
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })
}
