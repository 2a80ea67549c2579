import type { IncomingHttpHeaders } from 'node:http'
import { faults } from '../base/coded-errors.ts'
import type { Principal } from '../directory/model.ts'
import type { Authentication } from '../session/authentication.ts'
import type { Session } from '../session/session.ts'
import type { IdentityCache } from './identity-cache.ts'
import { isOriginAllowed } from './opening-handshake.ts'
import type { Route } from './route-table.ts'

export interface AccessJudgeOptions {
  readonly publicUrl: URL
  /** Origins of pages that may open a WebSocket besides the public URL's; `none` for clients that send none. */
  readonly webSocketOrigins: readonly string[]
  readonly identities: Pick<IdentityCache, 'headersFor' | 'headerNames'>
  /** Decides anew for each request. A fault of the store rejects: nobody is let in and nobody is turned away (C-35). */
  authenticate (cookieHeader: string | undefined): Promise<Authentication>
}

/** What counts of a request besides its route. */
export interface JudgedRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly isWebSocket: boolean
}

export type Verdict =
  /** `identity`: header names and values in turn; none without a session. */
  | { readonly kind: 'pass', readonly identity: readonly string[], readonly session?: Session }
  | { readonly kind: 'foreign-origin' }
  | { readonly kind: 'turned-away', readonly authentication: Exclude<Authentication, { kind: 'allow' }> }
  | { readonly kind: 'role-missing', readonly principal: Principal }

export type JudgeAccess = (request: JudgedRequest, route: Route) => Promise<Verdict>

/** Who may come and as whom: one judgement for what is forwarded here and for what a reverse proxy forwards (`verify-routes`). */
export function createAccessJudge (options: AccessJudgeOptions): JudgeAccess {
  const webSocketOrigins = new Set([options.publicUrl.origin, ...options.webSocketOrigins])

  return async function judgeAccess ({ method, headers, isWebSocket }, route) {
    if (route.access === 'nobody') throw new faults.NotFound()
    // Before the session is looked at: a foreign page can't even keep it alive (T-36).
    if (isWebSocket && !isOriginAllowed(headers.origin, webSocketOrigins)) return { kind: 'foreign-origin' }
    if (route.access === 'public' || (route.preflight && isPreflight(method, headers))) return { kind: 'pass', identity: [] }
    const authentication = await options.authenticate(headers.cookie)
    if (authentication.kind !== 'allow') return { kind: 'turned-away', authentication }
    const { session, principal } = authentication
    if (route.roles?.includes(principal.role) === false) return { kind: 'role-missing', principal }
    const identity = await options.identities.headersFor(session.ref, principal)
    return { kind: 'pass', session, identity: route.accessToken ? [...identity, options.identities.headerNames.accessToken, session.tokens.accessToken] : identity }
  }
}

/** What names a person or makes an application act: no browser sends it in a preflight (Fetch §4.8), so what has it is none. */
const strangeToPreflight = /^(?:cookie|authorization|content-type|transfer-encoding)$|^x.http.method|method.override/

/** What a browser asks before another origin's page may send a request. It comes without a session, so no more than that may pass. */
function isPreflight (method: string, headers: IncomingHttpHeaders): boolean {
  const hasBody = !['', '0'].includes(headers['content-length'] ?? '')
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined &&
    !hasBody && !Object.keys(headers).some((name) => strangeToPreflight.test(name))
}
