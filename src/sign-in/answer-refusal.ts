import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { createSupportCode } from '../base/random-id.ts'
import { statusOf, type RefusalReason } from '../directory/refusal.ts'
import type { Pages } from '../pages/pages.ts'
import { requestLocale } from '../pages/request-locale.ts'
import { sendPage } from '../pages/send-page.ts'
import { sendProblem } from '../pages/send-problem.ts'
import { chooseLocation, signInLocation } from '../pages/sign-in-location.ts'
import type { LoopCause } from '../pages/texts/page-texts.ts'
import { isNavigation } from '../base/request-kind.ts'

export interface AnswerRefusalDeps {
  readonly pages: Pages
  readonly clock: Clock
  readonly ownPrefix: string
  /** Where a purchase is renewed. */
  readonly renewUrl: string
}

export interface RefusalAnswer {
  readonly reason: RefusalReason
  /** As `decideAccess` says: the answer shows the way to renew. */
  readonly isRenewable?: true
  /** Where the person wanted to go, judged by `parseReturnTo`. */
  readonly returnTo?: string
  /** Which page of ours the button of a second attempt opens; the sign-in unless told. */
  readonly again?: string
  readonly cause?: LoopCause
  /** Our own `lang` parameter; only under the prefix, since elsewhere it is the application's. */
  readonly lang?: unknown
  /** When it makes sense to come again. */
  readonly retryAfterSeconds?: number
  /** More for the log line; short words and ids only. */
  readonly log?: Record<string, unknown>
}

/** One "no", told three times with the same reason and support code: page or problem body, and a log line (C-63). */
export function answerRefusal (deps: AnswerRefusalDeps, request: FastifyRequest, reply: FastifyReply, answer: RefusalAnswer): FastifyReply {
  const { reason, returnTo, again, cause, retryAfterSeconds } = answer
  const renewal = answer.isRenewable === true ? { renewUrl: deps.renewUrl } : {}
  const supportCode = createSupportCode()
  const status = statusOf(reason)
  const locale = requestLocale(request.headers, answer.lang)
  request.log.info({ event: 'access.refused', reason, supportCode, ...answer.log, ...(cause === undefined ? {} : { cause }) }, 'refused')
  if (retryAfterSeconds !== undefined || status === 503) reply.header('retry-after', String(retryAfterSeconds ?? 30))
  if (!isNavigation(request.headers)) {
    const signInUrl = signInLocation(deps.ownPrefix, { returnTo })
    const choice = reason === 'choice-needed' ? { chooseUrl: chooseLocation(deps.ownPrefix, returnTo) } : {}
    return sendProblem(reply, { because: { reason }, status, locale, supportCode, signInUrl, ...choice, ...renewal })
  }
  const page = deps.pages.refusal({
    locale,
    reason,
    supportCode,
    at: deps.clock.now(),
    ...renewal,
    ...(returnTo === undefined ? {} : { returnTo }),
    ...(again === undefined ? {} : { again }),
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
  return sendPage(reply, status, page)
}
