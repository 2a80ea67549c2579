import formbody from '@fastify/formbody'
import type { FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { countedAddress, type ClientAddressOf } from '../base/client-address.ts'
import type { Clock } from '../base/clock.ts'
import { faults } from '../base/coded-errors.ts'
import { isEqualInConstantTime, sha256 } from '../base/digest.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Secret } from '../base/secret.ts'
import type { AppId, TenantId, UserName } from '../directory/model.ts'
import type { LoginFlowStore } from '../session/login-flow.ts'
import type { SessionStore } from '../session/session-store.ts'
import { endSessionsOf, type LoggedOut } from './end-sessions-of.ts'
import { fieldOf } from './form-field.ts'
import type { LogoutTokenReading } from './read-logout-token.ts'

export interface BackchannelLogoutOptions {
  readonly sessions: Pick<SessionStore, 'list' | 'end'>
  readonly flows: Pick<LoginFlowStore, 'claimCode' | 'isClaimed'>
  readonly clock: Clock
  readonly appId: AppId
  readonly rateLimiter: RateLimiter
  readonly clientAddressOf: ClientAddressOf
  /** In a minute. */
  readonly perAddress: number
  /** Takes OpenID logout tokens; absent: there is no such address. */
  readonly readToken?: (token: string) => Promise<LogoutTokenReading>
  /** A claim of logout tokens. */
  readonly userNameClaim: string
  /** Takes plain messages under an address that ends in it (`login.md` Q14); absent: there is no such address. */
  readonly secret?: Secret
}

const largestBody = 16_384
/** Longer than a token can be fresh. */
const jtiMemoryMs = 3_600_000

/**
 * Where an authorization server tells that somebody has signed out there. Not for browsers: no cookie is read, and the answers are
 * those of OpenID Connect Back-Channel Logout 1.0 §2.8. Register it with `{prefix}/backchannel-logout` as Fastify's `prefix`.
 */
export const backchannelLogoutRoutes: FastifyPluginAsync<BackchannelLogoutOptions> = async function backchannelLogoutRoutes (app, options) {
  const { sessions, flows, clock, appId, readToken, secret, userNameClaim } = options

  app.removeContentTypeParser('text/plain')
  await app.register(formbody, { bodyLimit: largestBody })
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    if (error.statusCode === undefined || error.statusCode >= 500 || error.statusCode === 404) throw error
    return refuse(reply, 'body-unreadable')
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const verdict = await options.rateLimiter.count('backchannel-logout', countedAddress(options.clientAddressOf(request.raw)), options.perAddress)
    if (verdict.kind === 'within') return undefined
    request.log.info({ event: 'backchannel-logout.refused', because: 'too-many-requests' }, 'refused')
    return reply.code(429).header('retry-after', String(verdict.retryAfterSeconds)).send({ error: 'invalid_request', error_description: 'too-many-requests' })
  })

  if (readToken !== undefined) {
    app.post('/', { bodyLimit: largestBody }, async (request, reply) => {
      const reading = await readToken(fieldOf(request, 'logout_token') ?? '')
      if (reading.kind === 'refused') return say(request, reply, reading.because)
      const { issuer, tenantIds, claims } = reading
      const whom = whomOf(claims)
      if (whom === undefined) return say(request, reply, 'nobody-named')
      const digest = sha256(JSON.stringify(['logout_token', issuer, claims.jti]))
      const loggedOut = tenantIds.map((tenantId) => ({ tenantId, appId, ...whom }))
      if (await flows.isClaimed(digest)) return say(request, reply, 'token-repeated')
      const ended = await endSessionsOf(sessions, loggedOut)
      // Spent when it has done its work: one that met a fault is to be sent again. Of two at once both end the same sessions.
      if (!await flows.claimCode(digest, clock.now() + jtiMemoryMs)) return say(request, reply, 'token-repeated')
      return done(request, reply, 'logout-token', loggedOut, ended)
    })
  }

  if (secret !== undefined) {
    const expected = sha256(secret.reveal())
    app.post<{ Params: { secret: string } }>('/:secret', { bodyLimit: largestBody }, async (request, reply) => {
      if (!isEqualInConstantTime(sha256(request.params.secret), expected)) throw new faults.NotFound()
      const [tenantId, userName] = [fieldOf(request, 'tenant'), fieldOf(request, 'userName')]
      if (!tenantId || !userName) return say(request, reply, 'nobody-named')
      const loggedOut = [{ tenantId: tenantId as TenantId, appId, userName: userName as UserName }]
      return done(request, reply, 'secret-path', loggedOut, await endSessionsOf(sessions, loggedOut))
    })
  }

  /** Who is meant: an account, or a session of the server's. A claim of another form names nobody. */
  function whomOf (claims: Record<string, unknown>): Pick<LoggedOut, 'userName' | 'sid'> | undefined {
    const { [userNameClaim]: userName, sid } = claims
    if (userName === undefined && sid === undefined) return undefined
    if ((userName !== undefined && typeof userName !== 'string') || (sid !== undefined && typeof sid !== 'string')) return undefined
    return { ...(userName === undefined ? {} : { userName: userName as UserName }), ...(sid === undefined ? {} : { sid }) }
  }
}

function say (request: FastifyRequest, reply: FastifyReply, because: string): FastifyReply {
  request.log.info({ event: 'backchannel-logout.refused', because }, 'refused')
  if (because !== 'keys-unavailable') return refuse(reply, because)
  return reply.code(503).header('retry-after', '30').send({ error: 'temporarily_unavailable', error_description: because })
}

function refuse (reply: FastifyReply, because: string): FastifyReply {
  return reply.code(400).send({ error: 'invalid_request', error_description: because })
}

function done (request: FastifyRequest, reply: FastifyReply, how: string, [first]: readonly LoggedOut[], ended: number): FastifyReply {
  request.log.info({ event: 'session.logged-out', how, tenantId: first?.tenantId, userName: first?.userName, ended }, 'logged out by the authorization server')
  return reply.code(200).send()
}
