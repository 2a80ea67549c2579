import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseReturnTo } from '../base/return-url.ts'
import { chooseLocation, signInLocation } from '../pages/sign-in-location.ts'
import type { Authentication } from '../session/authentication.ts'
import { cookieAttributes, cookieNames } from '../session/cookies.ts'
import { shortRef, type Session } from '../session/session.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { isNavigation } from '../base/request-kind.ts'
import { seeOther } from './hand-over.ts'

/** The session stays: it goes on as soon as a purchase is chosen. */
function sendToChoice (
  deps: AnswerRefusalDeps, request: FastifyRequest, reply: FastifyReply, session: Session, returnTo: string | undefined,
): FastifyReply {
  if (returnTo === undefined || !isNavigation(request.headers)) {
    const log = { sessionRef: shortRef(session.ref) }
    return answerRefusal(deps, request, reply, { reason: 'choice-needed', log, ...(returnTo === undefined ? {} : { returnTo }) })
  }
  request.log.info({ event: 'choice.needed', sessionRef: shortRef(session.ref) }, 'sent to the choice of a purchase')
  return seeOther(reply, chooseLocation(deps.ownPrefix, returnTo))
}

/** What a person wanted, where it isn't the request itself: a reverse proxy asks for another's. */
export interface AskedRequest {
  readonly method: string
  /** `undefined`: a place that sign-in can't lead back to. */
  readonly target: string | undefined
}

/**
 * Answers a request of the application that may not pass. A page view goes to sign-in and comes back; a form that was sent to an
 * ended session is told so, since a redirect would lose what was typed without a word; a script gets 401.
 */
export function turnAway (
  deps: AnswerRefusalDeps, request: FastifyRequest, reply: FastifyReply, authentication: Exclude<Authentication, { kind: 'allow' }>,
  asked: AskedRequest = { method: request.method, target: request.raw.url },
): FastifyReply {
  const returnTo = parseReturnTo(asked.target, deps.ownPrefix)
  const isPageView = asked.method === 'GET' || asked.method === 'HEAD'
  if (authentication.kind === 'choose') return sendToChoice(deps, request, reply, authentication.session, isPageView ? returnTo : undefined)
  // A cookie that stands for nothing is taken back, but not by the late answer to a script: a sign-in in another tab may have set a new
  // one meanwhile.
  if (isNavigation(request.headers) && request.headers.cookie?.includes(cookieNames.session) === true) {
    reply.clearCookie(cookieNames.session, cookieAttributes)
  }
  if (authentication.kind === 'refuse') {
    return answerRefusal(deps, request, reply, {
      ...authentication, log: { sessionRef: shortRef(authentication.ref) }, ...(isPageView ? { returnTo } : {}),
    })
  }
  const { because } = authentication
  if (!isNavigation(request.headers) || !isPageView) {
    return answerRefusal(deps, request, reply, { reason: 'session-missing', log: { because }, ...(isPageView ? { returnTo } : {}) })
  }
  request.log.info({ event: 'sign-in.needed', because }, 'sent to sign-in')
  return seeOther(reply, signInLocation(deps.ownPrefix, { returnTo, because }))
}
