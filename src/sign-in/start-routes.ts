import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { isCrossSite, isSameOrigin } from '../base/request-kind.ts'
import { parseReturnTo } from '../base/return-url.ts'
import { rememberLocale, requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import { parseLoginReason } from '../pages/sign-in-location.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { fieldOf, textOf } from './form-field.ts'
import { isLooping, sendToLogin } from './hand-over.ts'
import { unifiedLoginLocation } from './settings.ts'
import { startUnifiedLogin, type StartLoginDeps } from './start-login.ts'

export interface StartRoutesOptions extends StartLoginDeps, AnswerRefusalDeps {}

/** The login page with the marketplace's button, and the button. */
export const startRoutes: FastifyPluginAsync<StartRoutesOptions> = async function startRoutes (app, deps) {
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

  // By POST from our own page, so that the live flow which a callback needs can only come from the person's own hand.
  app.post('/sign-in', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    return await start(request, reply, parseReturnTo(fieldOf(request, 'return_to'), settings.ownPrefix))
  })

  async function start (request: FastifyRequest, reply: FastifyReply, returnTo: string): Promise<FastifyReply> {
    // The rounds came back, so cookies work; and a round is counted only when a session was handed over.
    if (isLooping(request, clock)) return answerRefusal(deps, request, reply, { reason: 'login-loop', cause: 'session-lost' })
    return sendToLogin(reply, await startUnifiedLogin(deps, { returnTo, cookieHeader: request.headers.cookie }))
  }
}
