import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { codeOf } from '../base/coded-errors.ts'
import { createSupportCode } from '../base/random-id.ts'
import { isNavigation } from '../base/request-kind.ts'
import type { Pages } from './pages.ts'
import { requestLocale } from './request-locale.ts'
import { sendPage } from './send-page.ts'
import { sendProblem } from './send-problem.ts'
import type { FaultCode } from './texts/page-texts.ts'
import { isFaultCode } from './texts/texts-of.ts'

export interface AnswerFaultDeps {
  readonly pages: Pages
  readonly clock: Clock
}

/** How soon a repeat makes sense after the store was away. */
const retryAfterSeconds = 5

/** Whatever was thrown, as a page or a problem body; the stack and the causes go to the log, under the same support code (C-63). */
export function answerFault (deps: AnswerFaultDeps, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { pages, clock } = deps
  const { code, status } = classify(error)
  const supportCode = createSupportCode()
  const locale = requestLocale(request.headers)
  const line = { event: 'request.failed', code, supportCode, err: error }
  // 501 is about what the client asked for: nobody here can act on it.
  if (status >= 500 && status !== 501) request.log.error(line, 'fault')
  else request.log.info({ ...line, err: undefined, status }, 'request refused')
  const retry = status === 503 ? { retryAfterSeconds } : {}
  if (status === 503) reply.header('retry-after', String(retryAfterSeconds))
  if (!isNavigation(request.headers)) return sendProblem(reply, { because: { code }, status, locale, supportCode })
  return sendPage(reply, status, pages.fault({ locale, code, supportCode, at: clock.now(), ...retry }))
}

/** Our own faults know their code; what the server says about a malformed request keeps its 4xx; all else is our failure. */
function classify (error: unknown): { code: FaultCode, status: number } {
  const code = codeOf(error)
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500
  if (isFaultCode(code)) return { code, status }
  return status >= 400 && status < 500 ? { code: 'GW_REQUEST_INVALID', status } : { code: 'GW_INTERNAL', status: 500 }
}
