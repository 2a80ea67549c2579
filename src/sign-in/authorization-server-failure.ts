import * as oauth from 'openid-client'

export type Failure =
  /** The server understood and said no. */
  | { readonly kind: 'refused', readonly detail: FailureDetail }
  /** Nothing that could be understood came back: no connection, time-out, 5xx, 429, HTML, a redirect. */
  | { readonly kind: 'unavailable', readonly detail: FailureDetail, readonly retryAfterSeconds?: number, readonly mayHaveActed: boolean }

/** For the log: short words and numbers. The server's own sentences stay out, since they may quote the code (T-38). */
export interface FailureDetail {
  readonly status?: number
  /** `error` of RFC 6749 §5.2, or the library's code. */
  readonly error?: string
}

/** Without a connection nothing was asked. */
const neverAsked = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT', 'EINNER', 'EHOST'])

/**
 * Sorts what openid-client threw, or an answer that it handed through. Decides on codes and numbers, never on text.
 *
 * @param now epoch ms: `Retry-After` may be a date
 */
export function describeFailure (failure: unknown, now: number): Failure {
  const answer = answerOf(failure)
  const error = wordOf(failure)
  const detail = { ...(answer === undefined ? {} : { status: answer.status }), ...(error === undefined ? {} : { error }) }
  const isNo = answer !== undefined && answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429
  if (isNo && error !== 'temporarily_unavailable') return { kind: 'refused', detail }
  const retryAfterSeconds = readRetryAfter(answer?.headers.get('retry-after') ?? '', now)
  return {
    kind: 'unavailable',
    detail,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    mayHaveActed: answer === undefined ? !neverAsked.has(error ?? '') : answer.status !== 429 && answer.status !== 503,
  }
}

/** RFC 9110 §10.2.3: seconds, or an HTTP-date (IMF-fixdate and the two old forms). */
function readRetryAfter (value: string, now: number): number | undefined {
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const date = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

function answerOf (failure: unknown): Response | undefined {
  if (failure instanceof Response) return failure
  if (failure instanceof oauth.ResponseBodyError || failure instanceof oauth.WWWAuthenticateChallengeError) return failure.response
  return failure instanceof oauth.ClientError && failure.cause instanceof Response ? failure.cause : undefined
}

function wordOf (failure: unknown): string | undefined {
  const word = failure instanceof oauth.ResponseBodyError ? failure.error : rootCode(failure)
  return word !== undefined && /^\w{1,48}$/.test(word) ? word : undefined
}

/** The innermost code: `ECONNREFUSED` says more than the library's wrapping. */
function rootCode (error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 4) return undefined
  return rootCode(error.cause, depth + 1) ?? ('code' in error && typeof error.code === 'string' ? error.code : undefined)
}
