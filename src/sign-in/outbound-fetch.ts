import { lookup } from 'node:dns/promises'
import { Agent, request, type Dispatcher } from 'undici'
import type { CustomFetch } from 'openid-client'
import { isInnerAddress } from '../base/inner-address.ts'
import { parseDomainName, type DomainNameRules } from '../push/kit/domain-name.ts'
import { createGuardedLookup, type ResolveName } from './guarded-lookup.ts'

/** A token answer or a userinfo is a few hundred bytes; whoever sends more than this means harm. */
const largestAnswerBytes = 262_144

/** `dangerouslyAllowHttp` lets calls go to loopback and private addresses too: for tests and the demo. */
export interface OutboundOptions extends DomainNameRules {
  /** The whole call, from look-up to the last byte. */
  readonly timeoutSeconds: number
  /** The system's resolver if absent. */
  readonly resolve?: ResolveName
  /** PEM; those of the machine if absent. */
  readonly authorities?: string
}

export interface Outbound {
  /** Rejects with `code`: `EHOST` for an address that may not be called, `EINNER` for a name that leads inside, `EENCODED`, undici's. */
  readonly fetch: CustomFetch
  close (): Promise<void>
}

/**
 * Calls to authorization servers, whose addresses came in pushes: no redirect is followed, no compression accepted, answers, time and
 * connections are capped, certificates verified whatever the environment says (C-16).
 *
 * The address is judged again for each call by the rule for pushed ones, since that may be narrower now than when the push came; what
 * its name resolves to is judged for each connection (T-44).
 */
export function openOutbound (options: OutboundOptions): Outbound {
  const { timeoutSeconds, dangerouslyAllowHttp, authorities, resolve = resolveName } = options
  const agent = new Agent({
    connect: {
      timeout: timeoutSeconds * 1000,
      lookup: createGuardedLookup(resolve, (address) => dangerouslyAllowHttp || !isInnerAddress(address)),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      ...(authorities === undefined ? {} : { ca: authorities }),
    },
    connections: 16,
    keepAliveTimeout: 5_000,
    maxResponseSize: largestAnswerBytes,
  })
  return {
    close: () => agent.destroy(),
    fetch: async (url, { method, headers, body }) => {
      refuseOtherHost(url, options)
      const answer = await request(url, {
        dispatcher: agent,
        method: method as 'GET' | 'POST',
        headers: { ...headers, 'accept-encoding': 'identity' },
        // openid-client sends forms or nothing.
        body: body === undefined || body === null ? null : String(body as URLSearchParams),
        signal: AbortSignal.timeout(timeoutSeconds * 1000),
      })
      refuseEncoded(answer)
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      const isBodiless = answer.statusCode === 204 || answer.statusCode === 205 || answer.statusCode === 304
      return new Response(isBodiless ? null : bytes, { status: answer.statusCode, headers: plainHeaders(answer.headers) })
    },
  }
}

const resolveName: ResolveName = (hostname) => lookup(hostname, { all: true })

/** The URL parser has brought `127.1`, `0x7f000001` and full-width letters to one form by now. */
function refuseOtherHost (address: string, rules: DomainNameRules): void {
  const { origin, username, password } = new URL(address)
  if (username !== '' || password !== '' || parseDomainName(origin, rules) === undefined) {
    throw Object.assign(new Error('the host is none that may be called'), { code: 'EHOST' })
  }
}

/** Nobody was asked for one, and what a few bytes unfold to has no bound (T-39). */
function refuseEncoded ({ headers, body }: Dispatcher.ResponseData): void {
  const { 'content-encoding': encoding = 'identity' } = headers
  if (encoding === 'identity') return
  body.on('error', () => {}).destroy()
  throw Object.assign(new Error('the answer is compressed'), { code: 'EENCODED' })
}

function plainHeaders (headers: Record<string, string | string[] | undefined>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value = []]) => [value].flat().map((item): [string, string] => [name, item]))
}
