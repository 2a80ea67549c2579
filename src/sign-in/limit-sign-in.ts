import type { FastifyReply, FastifyRequest } from 'fastify'
import { countedAddress, type ClientAddressOf } from '../base/client-address.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'

export interface LimitSignInOptions extends AnswerRefusalDeps {
  readonly rateLimiter: RateLimiter
  readonly clientAddressOf: ClientAddressOf
  /** Of each step of a sign-in, in a minute. */
  readonly perAddress: number
  /** Callbacks that name the tenant, in a minute: each may cause a call to its authorization server. */
  readonly perTenant: number
}

/**
 * What makes us write, or ask an authorization server; looking at a page that only tells something doesn't. And where whoever was turned
 * away begins again: where a session may well be there, not by signing in.
 */
const limitedSteps: ReadonlyMap<string, string> = new Map([
  ['GET /sign-in', '/sign-in'], ['POST /sign-in', '/sign-in'], ['GET /callback', '/sign-in'], ['GET /confirm', '/sign-in'],
  ['POST /confirm', '/sign-in'], ['POST /choose', '/choose'], ['POST /sign-out', '/sign-out'],
])

const longestTenantId = 128

interface Excess { readonly again: string, readonly limit: 'address' | 'tenant', readonly retryAfterSeconds: number }

/**
 * A hook for our own pages that turns away who begins sign-ins by the hundred (C-18). Whoever can't be counted, because the store is
 * down, is not let in either: the fault is answered with 503.
 */
export function limitSignIn (options: LimitSignInOptions) {
  const { rateLimiter, clientAddressOf, perAddress, perTenant, ownPrefix } = options

  return async function onRequest (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    // A HEAD runs what a GET runs.
    const step = `${request.method === 'HEAD' ? 'GET' : request.method} ${(request.routeOptions.url ?? '').slice(ownPrefix.length)}`
    const again = limitedSteps.get(step)
    if (again === undefined) return undefined
    const ofAddress = await rateLimiter.count(step, countedAddress(clientAddressOf(request.raw)), perAddress)
    if (ofAddress.kind === 'over') return refuse(request, reply, { again, limit: 'address', ...ofAddress })
    const { tenant } = request.query as Record<string, unknown>
    if (step !== 'GET /callback' || typeof tenant !== 'string' || tenant.length > longestTenantId) return undefined
    const ofTenant = await rateLimiter.count('callback of a tenant', tenant, perTenant)
    return ofTenant.kind === 'over' ? refuse(request, reply, { again, limit: 'tenant', ...ofTenant }) : undefined
  }

  function refuse (request: FastifyRequest, reply: FastifyReply, { again, limit, retryAfterSeconds }: Excess): FastifyReply {
    const { lang } = request.query as Record<string, unknown>
    return answerRefusal(options, request, reply, {
      reason: 'too-many-requests', again: `${ownPrefix}${again}`, retryAfterSeconds, lang, log: { limit },
    })
  }
}
