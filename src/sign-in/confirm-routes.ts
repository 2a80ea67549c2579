import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { isSameOrigin } from '../base/request-kind.ts'
import { rememberLocale, requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import type { LoopCause } from '../pages/texts/page-texts.ts'
import { cookieAttributes, cookieNames, ownCookieNames } from '../session/cookies.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import { confirmLogin, findDisplaced, findQuestion, type ConfirmLoginDeps } from './confirm-login.ts'
import { fieldOf } from './form-field.ts'
import { countRound, sendToChoice, welcome } from './hand-over.ts'
import type { SignInSettings } from './settings.ts'

export interface ConfirmRoutesOptions extends ConfirmLoginDeps, AnswerRefusalDeps {
  readonly settings: SignInSettings
}

/** "Continue as …?", for a login that this browser did not start. */
export const confirmRoutes: FastifyPluginAsync<ConfirmRoutesOptions> = async function confirmRoutes (app, deps) {
  const { pages, clock, settings } = deps

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
      current: await findDisplaced(deps, question.pending, request.headers.cookie),
      antiForgery: question.antiForgery,
    }))
  })

  app.post('/confirm', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const outcome = await confirmLogin(deps, fieldOf(request, 'anti_forgery'), request.headers.cookie)
    if (outcome.kind === 'refused') return answerRefusal(deps, request, reply, outcome)
    const { principal: { tenantId, userName, instanceId }, returnTo, isCounted } = outcome.pending
    reply.clearCookie(cookieNames.confirmation, cookieAttributes)
    if (outcome.kind === 'choose') return sendToChoice(reply, settings.ownPrefix, outcome.secret)
    request.log.info({ event: 'login.finished', tenantId, userName, instanceId, provenBy: 'confirmation' }, 'signed in')
    if (isCounted === undefined) countRound(request, reply, clock)
    return welcome(reply, outcome.sessionId, returnTo)
  })

  /** The callback leads to the confirm page with a cookie set; a browser that comes without any of ours keeps none. */
  function whyNoCookies (request: FastifyRequest): { cause?: LoopCause } {
    if (ownCookieNames(request.headers.cookie).length > 0) return {}
    return { cause: settings.publicUrl.protocol === 'https:' ? 'cookies-blocked' : 'insecure-address' }
  }
}
