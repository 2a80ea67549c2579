import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { ClientAddressOf } from '../base/client-address.ts'
import { faults } from '../base/coded-errors.ts'
import type { Recheck } from '../session/authenticate.ts'
import type { StoreChanges } from '../session/store-changes.ts'
import { shortRef } from '../session/session.ts'
import { answerVerdict, type AnswerVerdict } from './answer-verdict.ts'
import { isOwnPath, pathOf } from './canonical-path.ts'
import { dispatch } from './dispatch.ts'
import type { ExchangeOptions } from './exchange-options.ts'
import { answerExpectations } from './expectations.ts'
import { allowEveryMethod } from './every-method.ts'
import { createAccessJudge, type AccessJudgeOptions } from './judge-access.ts'
import { openLiveStreams } from './live-streams.ts'
import { judgeHandshake, webSocketVersion } from './opening-handshake.ts'
import { createPipelinedTurns } from './pipelined-turns.ts'
import { createRequestHeaders } from './request-headers.ts'
import { createLocationRewrite } from './rewrite-location.ts'
import { openStalledClients } from './stalled-clients.ts'
import { acceptUpgrades, isUpgrade } from './upgrade.ts'
import type { FindRoute, Route } from './route-table.ts'
import type { UpstreamAddress } from './upstreams/upstream-address.ts'
import type { UpstreamOptions } from './upstreams/upstream-server.ts'
import { openUpstreams } from './upstreams/upstreams.ts'

export interface ForwardRoutesOptions extends AccessJudgeOptions, AnswerVerdict {
  readonly findRoute: FindRoute
  readonly upstreams: Omit<UpstreamOptions, 'log'>
  /** All lists of servers that `findRoute` knows. */
  readonly upstreamLists: readonly (readonly UpstreamAddress[])[]
  /** Whether a `Location` that names a server behind the gateway goes to the client with the public URL in its place. */
  readonly rewriteLocation: boolean
  /** The gateway's prefix. Not named `prefix`: Fastify would mount the routes under it. */
  readonly ownPrefix: string
  readonly clientAddressOf: ClientAddressOf
  /** Whether a session with something open may keep it. */
  readonly recheck: Recheck
  readonly changes: StoreChanges
}

/**
 * Everything outside the prefix, to the upstream. Faults reach the error handler like any other, as long as nothing was answered.
 *
 * Needs the plugin `canonical-path` before it: whatever comes here has been judged.
 */
export const forwardRoutes: FastifyPluginAsync<ForwardRoutesOptions> = async function forwardRoutes (app, options) {
  if (!app.hasPlugin('canonical-path')) throw new TypeError('forwardRoutes needs canonicalPath registered before it')
  const upstreams = openUpstreams(options.upstreamLists, {
    ...options.upstreams,
    log: (level, line, message) => { app.log[level](line, message) },
  })
  const streams = openLiveStreams({
    changes: options.changes,
    recheck: options.recheck,
    onUnjudged: (err, ref) => { app.log.error({ event: 'forward.session-unjudged', sessionRef: shortRef(ref), err }, 'a session could not be judged') },
  })
  const stalledClients = openStalledClients()
  app.addHook('preClose', async () => { streams.endEndless() })
  app.addHook('onClose', async () => {
    streams.close()
    stalledClients.close()
    await upstreams.destroy()
  })
  const buildHeaders = createRequestHeaders(options.publicUrl, options.clientAddressOf, options.identities.headerNames)
  const judgeAccess = createAccessJudge(options)
  const turnOf = createPipelinedTurns()

  // The table makes few routes and keeps them.
  const prepared = new Map<Route, ExchangeOptions>()

  function prepare (route: Route): ExchangeOptions {
    let ready = prepared.get(route)
    if (ready === undefined) {
      const { upstream, timeoutSeconds } = route
      const rewriteLocation = options.rewriteLocation ? createLocationRewrite(options.publicUrl, upstream) : undefined
      ready = { group: upstreams.groupOf(upstream), streams, stalledClients, timeoutSeconds, rewriteLocation }
      prepared.set(route, ready)
    }
    return ready
  }

  async function forward (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    refuseUnforwardable(request, reply, options.ownPrefix)
    const { headers, raw } = request
    const route = options.findRoute(headers.host, pathOf(raw.url ?? ''))
    if (reply.raw.socket === null) await turnOf(raw, reply.raw)
    const verdict = await judgeAccess({ method: request.method, headers, isWebSocket: isUpgrade(raw) }, route)
    if (verdict.kind !== 'pass') {
      await answerVerdict(options, request, reply, verdict)
      return
    }
    const outcome = await dispatch(prepare(route), request, reply, buildHeaders(request, verdict.identity), verdict.session)
    if (outcome === 'session-ended') await answerLoss(request, reply, route)
  }

  /** The session has ended before the application answered, which may have acted on the request or not. */
  async function answerLoss (request: FastifyRequest, reply: FastifyReply, route: Route): Promise<void> {
    const { method, headers, raw } = request
    const verdict = await judgeAccess({ method, headers, isWebSocket: isUpgrade(raw) }, route)
    // It could not be judged for a while, and now it can.
    if (verdict.kind === 'pass') throw new faults.StorageUnavailable()
    await answerVerdict(options, request, reply, verdict)
  }

  app.route({
    method: allowEveryMethod(app),
    url: '/*',
    // Not in the handler: before that, Fastify answers 415 to a content type that it can't parse, which is none of our business.
    // The hook calls `done` for faults only. After it has answered, nothing else may run.
    onRequest: (request, reply, done) => { forward(request, reply).catch(done) },
    handler: () => { throw new faults.Internal() },
  })
  acceptUpgrades(app)
  answerExpectations(app)
  refuseConnect(app)
}

/** Browsers send twenty. Of more than 2000 fields node itself reads only the first, and others of fewer (C-42). */
const mostHeaderFields = 200

/** @throws the fault to answer with, if the request is none for the upstream, whoever sends it */
function refuseUnforwardable ({ method, headers, raw }: FastifyRequest, reply: FastifyReply, ownPrefix: string): void {
  if (isOwnPath(pathOf(raw.url ?? ''), ownPrefix)) throw new faults.NotFound()
  // C-44: TRACE echoes what it gets, identity and all.
  if (method === 'TRACE') throw new faults.MethodRefused()
  if (raw.rawHeaders.length > 2 * mostHeaderFields) throw new faults.HeadersTooLarge()
  // Node's parser still knows HTTP/0.9, which has no headers and no framing.
  if (raw.httpVersionMajor === 0 || hasTwoHosts(raw.rawHeaders)) return refuseFraming(reply)
  if (isUpgrade(raw)) return refuseBadHandshake(raw.headers, reply)
  // A plain h2c offer may be ignored (RFC 9110 §7.8), and some clients make it with each request; others need the upgrade.
  if (headers.upgrade !== undefined && headers.upgrade.toLowerCase() !== 'h2c') throw new faults.UpgradeRefused()
  // A coding besides `chunked` would be lost with the header that names it, and HTTP/1.0 has none (RFC 9112 §6.1; T-24).
  const coding = headers['transfer-encoding']
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || raw.httpVersion === '1.0')) refuseFraming(reply)
}

/** Somebody else may see the next request begin elsewhere, so there is none on this connection (RFC 9112 §6.3). */
function refuseFraming (reply: FastifyReply): never {
  reply.header('connection', 'close')
  throw new faults.RequestRefused()
}

/** Node reads the first, a server before us may have read the last; a rule's host must not be a matter of taste (RFC 9112 §3.2). */
function hasTwoHosts (rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

function refuseBadHandshake (headers: IncomingHttpHeaders, reply: FastifyReply): void {
  const judgement = judgeHandshake(headers)
  if (judgement === 'malformed') throw new faults.RequestRefused()
  if (judgement === 'good') return
  // RFC 6455 §4.2.2, RFC 9110 §15.5.22: the answer names what would be taken.
  reply.headers({ connection: 'upgrade, close', upgrade: 'websocket', 'sec-websocket-version': webSocketVersion })
  throw Object.assign(new faults.RequestRefused(), { statusCode: 426 })
}

/** Node reports CONNECT apart from requests, without a response to write to (C-44). */
function refuseConnect (app: FastifyInstance): void {
  app.server.on('connect', (_request: unknown, socket: Duplex) => {
    // The client may be gone before it reads this; nobody is left to tell.
    socket.on('error', () => {})
    socket.end([
      'HTTP/1.1 405 Method Not Allowed', 'allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS', 'cache-control: no-store', 'connection: close',
      'content-length: 0', '', '',
    ].join('\r\n'))
  })
}
