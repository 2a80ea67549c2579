import { Agent, request } from 'undici'
import { codeOf } from '../base/coded-errors.ts'
import { isLoopbackHost } from '../base/loopback-host.ts'

export interface BoundedCallOptions {
  readonly largestAnswerBytes: number
  /** Lets calls go over plain http to other machines too: for tests and the demo. */
  readonly dangerouslyAllowHttp: boolean
}

export interface OutboundCall {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** The whole call, from look-up to the last byte. */
  readonly timeoutMilliseconds: number
}

export type CallOutcome =
  | { readonly kind: 'answered', readonly status: number, readonly body: Buffer }
  /** Nothing came that could be judged. `unreachable` covers names, connections and certificates. */
  | { readonly kind: 'failed', readonly why: 'insecure' | 'unreachable' | 'too-slow' | 'too-large', readonly cause?: unknown }

export interface BoundedCaller {
  /** Never rejects. */
  readonly call: (call: OutboundCall) => Promise<CallOutcome>
  close (): Promise<void>
}

/**
 * Calls to addresses that the operator has set: certificates are verified whatever the environment says, no redirect is followed, no
 * compression accepted, time and size are capped (C-16). Inner addresses are fine, since nobody else chooses them.
 */
export function openBoundedCaller ({ largestAnswerBytes, dangerouslyAllowHttp }: BoundedCallOptions): BoundedCaller {
  const agent = new Agent({
    connect: { rejectUnauthorized: true },
    maxResponseSize: largestAnswerBytes,
    // No connection is kept: these calls are rare, and one that the other side has just closed would count as a failure.
    pipelining: 0,
  })
  return {
    close: () => agent.destroy(),
    call: async ({ method, url, headers, body, timeoutMilliseconds }) => {
      if (url.protocol !== 'https:' && !dangerouslyAllowHttp && !isLoopbackHost(url.hostname)) return { kind: 'failed', why: 'insecure' }
      try {
        const answer = await request(url, {
          dispatcher: agent,
          method,
          headers: { ...headers, 'accept-encoding': 'identity' },
          body: body ?? null,
          signal: AbortSignal.timeout(timeoutMilliseconds),
        })
        return { kind: 'answered', status: answer.statusCode, body: Buffer.from(await answer.body.arrayBuffer()) }
      } catch (cause) {
        return { kind: 'failed', why: nameFailure(cause), cause }
      }
    },
  }
}

function nameFailure (cause: unknown): 'unreachable' | 'too-slow' | 'too-large' {
  if (cause instanceof Error && cause.name === 'TimeoutError') return 'too-slow'
  return codeOf(cause) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' ? 'too-large' : 'unreachable'
}
