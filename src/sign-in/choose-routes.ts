import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { isSameOrigin } from '../base/request-kind.ts'
import { parseReturnTo } from '../base/return-url.ts'
import { rememberLocale, requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import { chooseLocation } from '../pages/sign-in-location.ts'
import type { Authenticate } from '../session/authenticate.ts'
import type { Authentication } from '../session/authentication.ts'
import { cookieAttributes, cookieNames } from '../session/cookies.ts'
import { answerRefusal, type AnswerRefusalDeps } from './answer-refusal.ts'
import {
  chooseInstance, endUserOf, isAnswerTo, listChoices, questionOf, type ChoiceOutcome, type ChooseInstanceDeps, type Chooser,
} from './choose-instance.ts'
import { describeChoices } from './describe-choices.ts'
import { fieldOf, textOf } from './form-field.ts'
import { countRound, seeOther, welcome } from './hand-over.ts'
import { findPending } from './pending-login.ts'
import type { SignInSettings } from './settings.ts'
import { turnAway } from './turn-away.ts'

export interface ChooseRoutesOptions extends ChooseInstanceDeps, AnswerRefusalDeps {
  readonly settings: SignInSettings
  readonly authenticate: Authenticate
}

type Found =
  | { readonly chooser: Chooser, readonly because: 'sign-in' | 'wish' | 'closed' }
  | Exclude<Authentication, { kind: 'allow' | 'choose' }>

/** Which purchase to work in, where the enterprise has several that are open to the person (多实例绑定; `login.md` §3.2). */
export const chooseRoutes: FastifyPluginAsync<ChooseRoutesOptions> = async function chooseRoutes (app, deps) {
  const { pages, clock, settings, ownPrefix } = deps

  app.get('/choose', async (request, reply) => {
    const { lang, return_to: wish } = request.query as Record<string, unknown>
    rememberLocale(reply, lang)
    const found = await findChooser(request.headers.cookie)
    if ('kind' in found) return turnAway(deps, request, reply, found)
    const { chooser, because } = found
    const returnTo = returnToOf(chooser, textOf(wish))
    const open = await listChoices(deps, chooser)
    if (because === 'wish' && open.length <= 1) return seeOther(reply, returnTo)
    // Closed while the page was open, or lost since the sign-in: whoever tries hears why.
    if (open.length === 0) return await choose(request, reply, chooser, undefined)
    return sendPage(reply, 200, pages.choose({
      locale: requestLocale(request.headers, lang),
      here: chooseLocation(ownPrefix, returnTo),
      choices: describeChoices(open, chooser.kind === 'session' ? chooser.session.instanceId : undefined),
      userName: endUserOf(chooser).userName,
      tenantName: open[0]?.tenant.name ?? '',
      question: questionOf(chooser),
      returnTo,
      because,
    }))
  })

  app.post('/choose', async (request, reply) => {
    if (!isSameOrigin(request.headers, settings.publicUrl)) return answerRefusal(deps, request, reply, { reason: 'cross-site-request' })
    const found = await findChooser(request.headers.cookie)
    if ('kind' in found) {
      return found.kind === 'login' ? answerRefusal(deps, request, reply, { reason: 'confirmation-expired' }) : turnAway(deps, request, reply, found)
    }
    const isAnswered = isAnswerTo(found.chooser, fieldOf(request, 'question'))
    if (!isAnswered) return seeOther(reply, chooseLocation(ownPrefix, returnToOf(found.chooser, fieldOf(request, 'return_to'))))
    return await choose(request, reply, found.chooser, fieldOf(request, 'instance'))
  })

  async function findChooser (cookieHeader: string | undefined): Promise<Found> {
    const login = await findPending(deps, 'choice', cookieHeader)
    if (login !== undefined) return { chooser: { kind: 'sign-in', login }, because: 'sign-in' }
    const authentication = await deps.authenticate(cookieHeader)
    if (authentication.kind !== 'allow' && authentication.kind !== 'choose') return authentication
    return { chooser: { kind: 'session', session: authentication.session }, because: authentication.kind === 'choose' ? 'closed' : 'wish' }
  }

  function returnToOf (chooser: Chooser, wish: string | undefined): string {
    return chooser.kind === 'sign-in' ? chooser.login.pending.returnTo : parseReturnTo(wish, ownPrefix)
  }

  async function choose (request: FastifyRequest, reply: FastifyReply, chooser: Chooser, wish: string | undefined): Promise<FastifyReply> {
    const outcome = await chooseInstance(deps, chooser, wish, request.headers.cookie)
    const returnTo = returnToOf(chooser, fieldOf(request, 'return_to'))
    switch (outcome.kind) {
      case 'chosen': return goOn(request, reply, outcome, returnTo)
      case 'unchanged': return seeOther(reply, returnTo)
      case 'again': return seeOther(reply, chooseLocation(ownPrefix, returnTo))
      // Said as to a page that has grown old, with no cookie taken back: of a double click the other one has set it.
      case 'over': return answerRefusal(deps, request, reply, { reason: 'confirmation-expired' })
      case 'refused': return answerRefusal(deps, request, reply, { ...outcome, returnTo })
    }
  }

  function goOn (
    request: FastifyRequest, reply: FastifyReply, outcome: Extract<ChoiceOutcome, { kind: 'chosen' }>, returnTo: string,
  ): FastifyReply {
    const { principal: { tenantId, userName, instanceId }, sessionId, from, signedIn } = outcome
    request.log.info({ event: 'instance.chosen', tenantId, userName, instanceId, from }, 'a purchase was chosen')
    if (signedIn !== undefined) {
      request.log.info({ event: 'login.finished', tenantId, userName, instanceId, provenBy: signedIn.provenBy }, 'signed in')
      reply.clearCookie(cookieNames.choice, cookieAttributes)
      if (!signedIn.isCounted) countRound(request, reply, clock)
    }
    return welcome(reply, sessionId, returnTo)
  }
}
