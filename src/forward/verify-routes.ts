import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { createPeerCheck } from '../base/client-address.ts'
import { faults } from '../base/coded-errors.ts'
import { answerVerdict, type AnswerVerdict } from './answer-verdict.ts'
import { judgeTarget, pathOf } from './canonical-path.ts'
import { describedRequest, type DescribedRequest } from './described-request.ts'
import { allowEveryMethod } from './every-method.ts'
import { createAccessJudge, type AccessJudgeOptions } from './judge-access.ts'
import { withoutOwnCookies } from './request-headers.ts'
import { canonicalHost, type FindRoute } from './route-table.ts'

export interface VerifyRoutesOptions extends AccessJudgeOptions, AnswerVerdict {
  /** Addresses and networks that may ask, checked by `isNetwork`; none: there is no such address. */
  readonly callers: readonly string[]
  readonly findRoute: FindRoute
  /** Hosts besides the public URL's that a proxy may ask about: those of the route rules. */
  readonly hosts: readonly string[]
  readonly ownPrefix: string
}

/** Asked with it, the proxy has turned the request away and hands our answer to the client: it must be one for the client's eyes. */
const refusedQuery = '?refused'

/**
 * `verify`: a reverse proxy asks whether a request may pass (forward-auth). 200 says yes, and its headers are what the application
 * must be told. Everything else is the answer for the client, the same as if the request had come here.
 *
 * Who asks counts by the address of the connection, and for all others there is nothing here (T-18). What is asked about is described
 * once and whole, and judged like every request: the same rule of paths, the same routes, the same session.
 *
 * Needs the plugin `canonical-path` before it.
 */
export const verifyRoutes: FastifyPluginAsync<VerifyRoutesOptions> = async function verifyRoutes (app, options) {
  if (options.callers.length === 0) return
  const verifyPath = `${options.ownPrefix}/verify`
  const isCaller = createPeerCheck(options.callers)
  const judgeAccess = createAccessJudge(options)
  const publicHost = canonicalHost(options.publicUrl.host)
  const hosts = new Set([publicHost, ...options.hosts])
  const scheme = options.publicUrl.protocol.slice(0, -1)

  /** @throws the fault to answer with if no request is described, or none that could be for the application */
  function describe (request: FastifyRequest): DescribedRequest {
    const described = describedRequest(request.raw, verifyPath)
    if (typeof described === 'string') throw refusal(request, described)
    if (!hosts.has(canonicalHost(described.host))) throw refusal(request, 'host-unknown')
    if (described.scheme !== undefined && described.scheme !== scheme) throw refusal(request, 'scheme-other')
    const judgement = judgeTarget(described.target, options.ownPrefix)
    if (judgement === 'ambiguous') throw new faults.PathAmbiguous()
    if (judgement === 'own') throw new faults.NotFound()
    if (described.method === 'TRACE' || described.method === 'CONNECT') throw new faults.MethodRefused()
    return described
  }

  async function verify (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { raw, headers } = request
    refuseStranger(request, isCaller, verifyPath)
    const { method, host, target } = describe(request)
    const route = options.findRoute(host, pathOf(target))
    const verdict = await judgeAccess({ method, headers, isWebSocket: isWebSocket(request) }, route)
    if (verdict.kind !== 'pass') {
      // Sign-in happens at the public URL.
      const asked = { method, target: canonicalHost(host) === publicHost ? target : undefined }
      await answerVerdict(options, request, reply, verdict, asked)
      return
    }
    // The proxy was told no a moment ago, and nothing has been forwarded: a "yes" now must not look like the application's answer.
    if (raw.url === verifyPath + refusedQuery) throw new faults.NotForwarded()
    reply.headers(applicationHeaders(Object.values(options.identities.headerNames), verdict.identity, request)).code(200).send()
  }

  app.addHook('onSend', async ({ headers }, reply) => {
    reply.header('cache-control', 'no-store')
    // A proxy that passes on the length of a body and keeps the body would have its next question read as that body (T-24).
    if ((headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined) reply.header('connection', 'close')
    // Traefik would complete it with the address by which it reaches us.
    const location = reply.getHeader('location')
    if (typeof location === 'string') reply.header('location', new URL(location, options.publicUrl).href)
  })
  register(app, verify)
}

/** @throws NotFound for everybody but a caller, and for our address in another spelling: proxies keep the one spelling from clients */
function refuseStranger (request: FastifyRequest, isCaller: ReturnType<typeof createPeerCheck>, verifyPath: string): void {
  const { socket, url = '' } = request.raw
  if (!isCaller(socket)) {
    request.log.warn({ event: 'forward-auth.stranger', peer: socket.remoteAddress }, 'asked by an address that is not in forwardAuth.callers')
    throw new faults.NotFound()
  }
  if (url !== verifyPath && url !== verifyPath + refusedQuery && !url.startsWith(`${verifyPath}/`)) throw new faults.NotFound()
}

function refusal (request: FastifyRequest, because: string): Error {
  request.log.warn({ event: 'forward-auth.undescribed', because }, 'the proxy does not say which request it asks about')
  return new faults.RequestRefused()
}

/**
 * Proxies keep `Upgrade` to themselves. What a page can't set and a browser always sends with a WebSocket comes through (RFC 6455 §4.1).
 */
function isWebSocket ({ headers }: FastifyRequest): boolean {
  return headers['sec-websocket-version'] !== undefined || headers['sec-websocket-key'] !== undefined ||
    headers.upgrade?.toLowerCase().includes('websocket') === true
}

/**
 * Every name each time, with no value where there is nothing to tell, so that the proxy's copy takes the place of what the client has
 * sent (T-08). `cookie`: the client's without ours (T-34).
 */
function applicationHeaders (names: readonly string[], identity: readonly string[], request: FastifyRequest): Record<string, string> {
  const headers: Record<string, string> = Object.fromEntries(names.map((name) => [name, '']))
  for (let index = 0; index < identity.length; index += 2) headers[identity[index] ?? ''] = identity[index + 1] ?? ''
  return { ...headers, 'x-request-id': request.id, cookie: withoutOwnCookies(request.headers.cookie ?? '') }
}

function register (app: FastifyInstance, verify: (request: FastifyRequest, reply: FastifyReply) => Promise<void>): void {
  const route = {
    // As in `routes.ts`: before Fastify looks at the body, which is the described request's.
    onRequest: (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => { verify(request, reply).catch(done) },
    handler: () => { throw new faults.Internal() },
  }
  app.route({ ...route, method: 'GET', url: '/verify', exposeHeadRoute: false })
  // Envoy asks with the described method and path.
  app.route({ ...route, method: allowEveryMethod(app), url: '/verify/*' })
}
