import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { isPageLoad, isPrefetch } from '../base/request-kind.ts'
import { cookieAttributes, cookieNames } from '../session/cookies.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { finishLogin, type FinishLoginDeps, type LoginOutcome } from './finish-login.ts'
import { found, type LoginAttempt } from './login-attempt.ts'
import { countRound, isLooping, seeOther, sendToChoice, sendToLogin, welcome } from './hand-over.ts'
import { confirmationLifetimeSeconds } from './pending-login.ts'

export interface CallbackRoutesOptions extends FinishLoginDeps, AnswerRefusalDeps {}

type Outcome<Kind extends LoginOutcome['kind']> = Extract<LoginOutcome, { kind: Kind }>

/** The application's login address (应用登录地址): where the marketplace sends the browser back with a code. */
export const callbackRoutes: FastifyPluginAsync<CallbackRoutesOptions> = async function callbackRoutes (app, deps) {
  const { clock, settings } = deps

  // No HEAD: whoever looks a link over before a person follows it would spend the code (C-7).
  app.get('/callback', { exposeHeadRoute: false }, async (request, reply) => {
    // Also for what is answered below by a problem body or as a fault: the address holds a code (C-8).
    reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
    if (!isPageLoad(request.headers) || isPrefetch(request.headers)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const outcome = await finishLogin(deps, { query: request.query, cookieHeader: request.headers.cookie })
    switch (outcome.kind) {
      case 'signed-in': return letIn(request, reply, outcome)
      case 'confirm': return ask(request, reply, outcome)
      case 'choose': return letChoose(reply, outcome)
      case 'restart': return startAnew(request, reply, outcome)
      case 'refused': return refuse(request, reply, outcome)
    }
  })

  function letIn (request: FastifyRequest, reply: FastifyReply, outcome: Outcome<'signed-in'>): FastifyReply {
    const { attempt, sessionId, returnTo, provenBy } = outcome
    const { tenantId, userName, instanceId } = found(attempt, 'principal')
    const withPkce = attempt.held?.flow.codeVerifier === undefined ? {} : { pkce: 'S256' }
    request.log.info({ event: 'login.finished', tenantId, userName, instanceId, provenBy, ...withPkce }, 'signed in')
    forgetFlow(reply, attempt)
    // A login that was started anew was counted then.
    if (attempt.held?.flow.kind !== 'authorize') countRound(request, reply, clock)
    return welcome(reply, sessionId, returnTo)
  }

  function letChoose (reply: FastifyReply, { attempt, secret }: Outcome<'choose'>): FastifyReply {
    forgetFlow(reply, attempt)
    return sendToChoice(reply, settings.ownPrefix, secret)
  }

  function ask (request: FastifyRequest, reply: FastifyReply, { attempt, secret, because }: Outcome<'confirm'>): FastifyReply {
    const { tenantId, userName } = found(attempt, 'principal')
    request.log.info({ event: 'login.asked', tenantId, userName, because }, 'the person is asked first')
    forgetFlow(reply, attempt)
    reply.setCookie(cookieNames.confirmation, secret, { ...cookieAttributes, maxAge: confirmationLifetimeSeconds })
    return seeOther(reply, `${settings.ownPrefix}/confirm`)
  }

  /** What is spent; one of ours that has not come back stays, and says that it has not. */
  function forgetFlow (reply: FastifyReply, { held }: LoginAttempt): void {
    if (held !== undefined) reply.clearCookie(held.cookieName, cookieAttributes)
  }

  function startAnew (request: FastifyRequest, reply: FastifyReply, { attempt, started }: Outcome<'restart'>): FastifyReply {
    if (isLooping(request, clock)) {
      const cause = request.cookies[cookieNames.session] === undefined ? 'state-lost' : 'session-lost'
      return answerRefusal(deps, request, reply, { reason: 'login-loop', cause })
    }
    countRound(request, reply, clock)
    request.log.info({ event: 'login.restarted', tenantId: attempt.tenantId }, 'sent to the tenant\'s own server')
    return sendToLogin(reply, started)
  }

  function refuse (request: FastifyRequest, reply: FastifyReply, { attempt, detail, ...refusal }: Outcome<'refused'>): FastifyReply {
    return answerRefusal(deps, request, reply, {
      ...refusal,
      log: { ...detail, tenantId: attempt.view?.tenantId, userName: attempt.userinfo?.userName },
      ...(attempt.held === undefined ? {} : { returnTo: attempt.held.flow.returnTo }),
    })
  }
}
