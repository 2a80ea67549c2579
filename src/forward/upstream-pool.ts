import { Pool } from 'undici'

/** undici's own limit for making a connection; a shorter wait for the answer makes this one shorter, too. */
const maxConnectSeconds = 10

/**
 * Connections to the one upstream. Without pipelining, so that a lost connection takes one request with it and undici has none
 * to send a second time (T-41). The body of an answer may pause for as long as it likes: event streams do.
 *
 * @param upstream scheme, host and port; a path would make the judged path differ from the sent one (C-39)
 * @throws TypeError when there is a path, query or user in it
 */
export function openUpstreamPool (upstream: URL, timeoutSeconds: number): Pool {
  if (upstream.href !== `${upstream.origin}/`) throw new TypeError('the upstream is an origin: scheme, host and port, nothing else')
  return new Pool(upstream.origin, {
    pipelining: 1,
    allowH2: false,
    headersTimeout: Math.ceil(timeoutSeconds * 1000),
    bodyTimeout: 0,
    connectTimeout: Math.ceil(Math.min(timeoutSeconds, maxConnectSeconds) * 1000),
  })
}
