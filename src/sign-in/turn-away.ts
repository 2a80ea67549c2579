import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseReturnTo } from '../base/return-url.ts'
import { signInLocation } from '../pages/sign-in-location.ts'
import type { Authentication } from '../session/authentication.ts'
import { cookieAttributes, cookieNames } from '../session/cookies.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { isNavigation } from '../base/request-kind.ts'

/**
 * Answers a request of the application that may not pass. A page view goes to sign-in and comes back; a form that was sent to an
 * ended session is told so, since a redirect would lose what was typed without a word; a script gets 401.
 */
export function turnAway (
  deps: AnswerRefusalDeps, request: FastifyRequest, reply: FastifyReply, authentication: Exclude<Authentication, { kind: 'allow' }>,
): FastifyReply {
  const returnTo = parseReturnTo(request.raw.url, deps.ownPrefix)
  const isPageView = request.method === 'GET' || request.method === 'HEAD'
  // A cookie that stands for nothing is taken back, but not by the late answer to a script: a sign-in in another tab may have set a new
  // one meanwhile.
  if (isNavigation(request.headers) && request.headers.cookie?.includes(cookieNames.session) === true) {
    reply.clearCookie(cookieNames.session, cookieAttributes)
  }
  if (authentication.kind === 'refuse') {
    return answerRefusal(deps, request, reply, {
      ...authentication, log: { sessionRef: authentication.ref.slice(0, 8) }, ...(isPageView ? { returnTo } : {}),
    })
  }
  const { because } = authentication
  if (!isNavigation(request.headers) || !isPageView) {
    return answerRefusal(deps, request, reply, { reason: 'session-missing', log: { because }, ...(isPageView ? { returnTo } : {}) })
  }
  request.log.info({ event: 'sign-in.needed', because }, 'sent to sign-in')
  return reply.header('cache-control', 'no-store').redirect(signInLocation(deps.ownPrefix, { returnTo, because }), 303)
}
