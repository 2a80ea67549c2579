import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { isPageLoad } from '../base/request-kind.ts'
import { cookieAttributes, cookieNames } from '../session/cookies.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { confirmationLifetimeSeconds, finishLogin, type FinishLoginDeps, type LoginOutcome } from './finish-login.ts'
import { countRound, isLooping, seeOther, sendToLogin, welcome } from './hand-over.ts'

export interface CallbackRoutesOptions extends FinishLoginDeps, AnswerRefusalDeps {}

type Outcome<Kind extends LoginOutcome['kind']> = Extract<LoginOutcome, { kind: Kind }>

/** The application's login address (应用登录地址): where the marketplace sends the browser back with a code. */
export const callbackRoutes: FastifyPluginAsync<CallbackRoutesOptions> = async function callbackRoutes (app, deps) {
  const { clock, settings } = deps

  // No HEAD: whoever looks a link over before a person follows it would spend the code (C-7).
  app.get('/callback', { exposeHeadRoute: false }, async (request, reply) => {
    if (!isPageLoad(request.headers)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const outcome = await finishLogin(deps, { query: request.query, cookieHeader: request.headers.cookie })
    switch (outcome.kind) {
      case 'signed-in': return letIn(request, reply, outcome)
      case 'confirm': return ask(reply, outcome)
      case 'restart': return startAnew(request, reply, outcome)
      case 'refused': return refuse(request, reply, outcome)
    }
  })

  function letIn (request: FastifyRequest, reply: FastifyReply, { attempt, sessionId, returnTo }: Outcome<'signed-in'>): FastifyReply {
    request.log.info({ event: 'login.finished', tenantId: attempt.tenantId, userName: attempt.userinfo?.userName }, 'signed in')
    if (attempt.held !== undefined) reply.clearCookie(attempt.held.cookieName, cookieAttributes)
    // A login that was started anew was counted then.
    if (attempt.held?.flow.kind !== 'authorize') countRound(request, reply, clock)
    return welcome(reply, sessionId, returnTo)
  }

  function ask (reply: FastifyReply, { secret }: Outcome<'confirm'>): FastifyReply {
    reply.setCookie(cookieNames.confirmation, secret, { ...cookieAttributes, maxAge: confirmationLifetimeSeconds })
    return seeOther(reply, `${settings.ownPrefix}/confirm`)
  }

  function startAnew (request: FastifyRequest, reply: FastifyReply, { started }: Outcome<'restart'>): FastifyReply {
    if (isLooping(request, clock)) {
      const cause = request.cookies[cookieNames.session] === undefined ? 'state-lost' : 'session-lost'
      return answerRefusal(deps, request, reply, { reason: 'login-loop', cause })
    }
    countRound(request, reply, clock)
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
