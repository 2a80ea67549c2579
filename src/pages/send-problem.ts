import type { FastifyReply } from 'fastify'
import type { RefusalReason } from '../directory/refusal.ts'
import type { Locale } from './choose-locale.ts'
import type { Explanation, FaultCode } from './texts/page-texts.ts'
import { textsOf } from './texts/texts-of.ts'

/** What an API client is told: the same literal, texts and support code as the page of the same event. */
export interface Problem {
  readonly because: { readonly reason: RefusalReason } | { readonly code: FaultCode }
  readonly status: number
  readonly locale: Locale
  readonly supportCode: string
  /** Where to send the person, for a script that can't follow a redirect to sign-in (C-49). */
  readonly signInUrl?: string
  /** Where the person chooses another purchase, if that is what helps. */
  readonly chooseUrl?: string
  /** Where the purchase is renewed, if that is what helps. */
  readonly renewUrl?: string
}

/** Answers with `application/problem+json` (RFC 9457). */
export function sendProblem (reply: FastifyReply, problem: Problem): FastifyReply {
  const { because, status, locale, supportCode, signInUrl, chooseUrl, renewUrl } = problem
  const { title, whatHappened, whatToDo } = explain(problem)
  return reply
    .code(status)
    .headers({
      'content-type': 'application/problem+json; charset=utf-8',
      'content-language': locale,
      vary: 'Accept-Language, Cookie',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    })
    .send(JSON.stringify({
      type: 'reason' in because ? `urn:jointgate:refusal:${because.reason}` : `urn:jointgate:fault:${because.code}`,
      title,
      status,
      detail: `${whatHappened}${locale === 'en' ? ' ' : ''}${whatToDo}`,
      ...because,
      supportCode,
      ...(signInUrl !== undefined && { signInUrl }),
      ...(chooseUrl !== undefined && { chooseUrl }),
      ...(renewUrl !== undefined && { renewUrl }),
    }))
}

function explain ({ because, locale }: Problem): Explanation {
  const { refusals, faults } = textsOf(locale)
  return 'reason' in because ? refusals[because.reason] : faults[because.code]
}
