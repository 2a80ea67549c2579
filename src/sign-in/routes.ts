import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { parseReturnTo } from '../base/return-url.ts'
import { rememberLocale, requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import { parseLoginReason } from '../pages/sign-in-location.ts'
import type { LoopCause } from '../pages/texts/page-texts.ts'
import { cookieAttributes, cookieNames, ownCookieNames } from '../session/cookies.ts'
import type { SessionId } from '../session/session.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { confirmLogin, findQuestion } from './confirm-login.ts'
import { confirmationLifetimeSeconds, finishLogin, type FinishLoginDeps } from './finish-login.ts'
import { countRound, isLoop, readRounds, roundsLifetimeSeconds } from './loop-guard.ts'
import { isCrossSite, isPageLoad, isSameOrigin } from '../base/request-kind.ts'
import { unifiedLoginLocation } from './settings.ts'
import { flowLifetimeSeconds, startUnifiedLogin, type StartedLogin } from './start-login.ts'

export interface SignInRoutesOptions extends FinishLoginDeps, AnswerRefusalDeps {}

/** Our own pages of the way in: start, callback, confirm. Register it with the gateway's prefix as Fastify's `prefix`. */
export const signInRoutes: FastifyPluginAsync<SignInRoutesOptions> = async function signInRoutes (app, deps) {
  const { pages, clock, settings } = deps

  app.get('/sign-in', async (request, reply) => {
    const { lang, return_to: wish, because } = request.query as Record<string, unknown>
    const returnTo = parseReturnTo(textOf(wish), settings.ownPrefix)
    rememberLocale(reply, lang)
    // Straight on only where no other site can have sent the browser: it would plant a live flow for a code of its own (T-11 b).
    if (settings.direct && !isCrossSite(request.headers)) return await start(request, reply, returnTo)
    return sendPage(reply, 200, pages.signIn({
      locale: requestLocale(request.headers, lang),
      returnTo,
      because: parseLoginReason(because),
      formActions: [unifiedLoginLocation(settings)],
    }))
  })

  // The button. By POST from our own page, so that the live flow which a callback needs can only come from the person's own hand.
  app.post('/sign-in', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    return await start(request, reply, parseReturnTo(fieldOf(request, 'return_to'), settings.ownPrefix))
  })

  // No HEAD: whoever looks a link over before a person follows it would spend the code (C-7).
  app.get('/callback', { exposeHeadRoute: false }, async (request, reply) => {
    if (!isPageLoad(request.headers)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const outcome = await finishLogin(deps, { query: request.query, cookieHeader: request.headers.cookie })
    switch (outcome.kind) {
      case 'signed-in': {
        const { attempt, returnTo } = outcome
        request.log.info({ event: 'login.finished', tenantId: attempt.tenantId, userName: attempt.userinfo?.userName }, 'signed in')
        if (attempt.held !== undefined) reply.clearCookie(attempt.held.cookieName, cookieAttributes)
        // Started anew, it was counted then.
        return welcome(request, reply, outcome.sessionId, returnTo, attempt.held?.flow.kind !== 'authorize')
      }
      case 'confirm':
        reply.setCookie(cookieNames.confirmation, outcome.secret, { ...cookieAttributes, maxAge: confirmationLifetimeSeconds })
        return seeOther(reply, `${settings.ownPrefix}/confirm`)
      case 'restart':
        if (!isLooping(request)) return leave(request, reply, outcome.started, true)
        return refuseLoop(request, reply, request.cookies[cookieNames.session] === undefined ? 'state-lost' : 'session-lost')
      case 'refused': {
        const { reason, detail, attempt } = outcome
        return answerRefusal(deps, request, reply, {
          reason,
          log: { ...detail, tenantId: attempt.view?.tenantId, userName: attempt.userinfo?.userName },
          ...(attempt.held === undefined ? {} : { returnTo: attempt.held.flow.returnTo }),
        })
      }
    }
  })

  app.get('/confirm', async (request, reply) => {
    const { lang } = request.query as Record<string, unknown>
    rememberLocale(reply, lang)
    const question = await findQuestion(deps, request.headers.cookie)
    if (question === undefined) {
      return answerRefusal(deps, request, reply, { reason: 'confirmation-expired', ...whyNoCookies(request) })
    }
    return sendPage(reply, 200, pages.confirm({
      locale: requestLocale(request.headers, lang),
      here: `${settings.ownPrefix}/confirm`,
      person: question.pending.principal,
      antiForgery: question.antiForgery,
    }))
  })

  app.post('/confirm', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const outcome = await confirmLogin(deps, fieldOf(request, 'anti_forgery'), request.headers.cookie)
    if (outcome.kind === 'refused') return answerRefusal(deps, request, reply, outcome)
    const { tenantId, userName } = outcome.pending.principal
    request.log.info({ event: 'login.finished', tenantId, userName, isConfirmed: true }, 'signed in')
    reply.clearCookie(cookieNames.confirmation, cookieAttributes)
    return welcome(request, reply, outcome.sessionId, outcome.pending.returnTo, true)
  })

  async function start (request: FastifyRequest, reply: FastifyReply, returnTo: string): Promise<FastifyReply> {
    // The rounds came back, so cookies work; and a round is counted only when a session was handed over.
    if (isLooping(request)) return refuseLoop(request, reply, 'session-lost')
    return leave(request, reply, await startUnifiedLogin(deps, { returnTo, cookieHeader: request.headers.cookie }), false)
  }

  function leave (request: FastifyRequest, reply: FastifyReply, started: StartedLogin, isRound: boolean): FastifyReply {
    for (const name of started.spentCookies) reply.clearCookie(name, cookieAttributes)
    reply.setCookie(started.cookie.name, started.cookie.value, { ...cookieAttributes, maxAge: flowLifetimeSeconds })
    if (isRound) setRound(request, reply)
    return seeOther(reply, started.location)
  }

  /** Hands over the session and cleans the address bar of the code (C-8). */
  function welcome (request: FastifyRequest, reply: FastifyReply, sessionId: SessionId, returnTo: string, isRound: boolean): FastifyReply {
    reply.setCookie(cookieNames.session, sessionId, cookieAttributes)
    if (isRound) setRound(request, reply)
    return seeOther(reply, returnTo)
  }

  const roundsOf = (request: FastifyRequest) => readRounds(request.cookies[cookieNames.starts], clock.now())

  const isLooping = (request: FastifyRequest): boolean => isLoop(roundsOf(request))

  function setRound (request: FastifyRequest, reply: FastifyReply): void {
    reply.setCookie(cookieNames.starts, countRound(roundsOf(request)), { ...cookieAttributes, maxAge: roundsLifetimeSeconds })
  }

  function refuseLoop (request: FastifyRequest, reply: FastifyReply, cause: LoopCause): FastifyReply {
    return answerRefusal(deps, request, reply, { reason: 'login-loop', cause })
  }

  /** The callback leads to the confirm page with a cookie set; a browser that comes without any of ours keeps none. */
  function whyNoCookies (request: FastifyRequest): { cause?: LoopCause } {
    if (ownCookieNames(request.headers.cookie).length > 0) return {}
    return { cause: settings.publicUrl.protocol === 'https:' ? 'cookies-blocked' : 'insecure-address' }
  }
}

function seeOther (reply: FastifyReply, location: string): FastifyReply {
  return reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).redirect(location, 303)
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function fieldOf (request: FastifyRequest, name: string): string | undefined {
  const { body } = request
  return typeof body === 'object' && body !== null && Object.hasOwn(body, name) ? textOf((body as Record<string, unknown>)[name]) : undefined
}
