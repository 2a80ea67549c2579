type DescribedError = {
  type: string
  message: string
  stack: string
  code?: string
  statusCode?: number
  cause?: DescribedError
  errors?: DescribedError[]
}

const maxDepth = 5

/**
 * A thrown thing as a log line shows it: type, code, stack and the chain of causes. Nothing else is copied, since libraries hang
 * answers, requests and tokens on their errors (openid-client puts the parsed body into `cause`), and what could be a secret is
 * taken out of the texts (T-38).
 */
export function describeError (error: unknown): DescribedError {
  return describe(error, 0)
}

function describe (error: unknown, depth: number): DescribedError {
  if (!(error instanceof Error)) return { type: typeOf(error), message: '', stack: '', ...codeMember(error) }
  const described: DescribedError = {
    type: error.name, message: hideSecrets(error.message), stack: hideSecrets(error.stack ?? ''), ...codeMember(error),
  }
  if ('statusCode' in error && typeof error.statusCode === 'number') described.statusCode = error.statusCode
  if (depth === maxDepth) return described
  if (error instanceof AggregateError) described.errors = error.errors.slice(0, 3).map((member) => describe(member, depth + 1))
  if (error.cause !== undefined && error.cause !== null) described.cause = describe(error.cause, depth + 1)
  return described
}

function typeOf (value: unknown): string {
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value).slice(8, -1) : typeof value
}

/** `code` (Node, ours) or OAuth's `error` (RFC 6749 §5.2): short words from a fixed vocabulary, or they are left out. */
function codeMember (error: unknown): { code?: string } {
  if (typeof error !== 'object' || error === null) return {}
  const code = 'code' in error ? error.code : 'error' in error ? error.error : undefined
  return typeof code === 'string' && /^[A-Za-z][A-Za-z0-9_]{0,47}$/.test(code) ? { code } : {}
}

/** Takes out queries, long random runs (ids, tokens, keys) and the excerpt that JSON.parse quotes. */
function hideSecrets (text: string): string {
  return text
    .replace(/".*"(?:\.\.\.)? is not valid JSON/gs, '[hidden] is not valid JSON')
    .replace(/\?[^\s'")]+/g, '?[hidden]')
    .replace(/[A-Za-z0-9_~+-]{32,}={0,2}/g, '[hidden]')
}
