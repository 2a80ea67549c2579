import * as oauth from 'openid-client'

export type Failure =
  /** The server understood and said no. */
  | { readonly kind: 'refused', readonly detail: FailureDetail }
  /** Nothing that could be understood came back: no connection, time-out, 5xx, 429, HTML, a redirect. */
  | { readonly kind: 'unavailable', readonly detail: FailureDetail, readonly retryAfterSeconds?: number }

/** For the log: short words and numbers. The server's own sentences stay out, since they may quote the code (T-38). */
export interface FailureDetail {
  readonly status?: number
  /** `error` of RFC 6749 §5.2, or the library's code. */
  readonly error?: string
}

/** Sorts what openid-client threw, or an answer that it handed through. Decides on codes and numbers, never on text. */
export function describeFailure (failure: unknown): Failure {
  const answer = answerOf(failure)
  const error = wordOf(failure)
  const detail = { ...(answer === undefined ? {} : { status: answer.status }), ...(error === undefined ? {} : { error }) }
  const isNo = answer !== undefined && answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429
  if (isNo && error !== 'temporarily_unavailable') return { kind: 'refused', detail }
  const retryAfterSeconds = Number(answer?.headers.get('retry-after') ?? Number.NaN)
  return { kind: 'unavailable', detail, ...(Number.isSafeInteger(retryAfterSeconds) ? { retryAfterSeconds } : {}) }
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
