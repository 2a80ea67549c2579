import { decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../base/clock.ts'
import type { TenantId } from '../directory/model.ts'
import type { FindIssuer } from './find-issuer.ts'
import { KeysUnavailable } from './key-sets.ts'

export interface ReadLogoutTokenDeps {
  readonly findIssuer: FindIssuer
  readonly keysAt: (address: string) => JWTVerifyGetKey
  readonly clock: Clock
  /** Behind the authorization server's address. */
  readonly jwksPath: string
}

/** Why a token was not taken; `keys-unavailable` may pass. */
export type LogoutTokenRefusal =
  | 'token-malformed' | 'issuer-or-audience-unknown' | 'keys-unavailable' | 'algorithm-refused' | 'type-refused' | 'signature-invalid'
  | 'claims-refused' | 'not-fresh' | 'nonce-present' | 'event-missing' | 'nobody-named'

export type LogoutTokenReading =
  | {
    readonly kind: 'read'
    readonly issuer: string
    readonly tenantIds: readonly TenantId[]
    readonly claims: JWTPayload & { readonly jti: string }
  }
  | { readonly kind: 'refused', readonly because: LogoutTokenRefusal }

/** Asymmetric ones only: of a shared secret the token's sender may hold the other half, and `none` is no signature. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** OpenID Connect Back-Channel Logout 1.0 §2.4 recommends two minutes at most. */
const oldestSeconds = 120
/** How far the server's clock may be from ours (T-48). */
const clockToleranceSeconds = 300
const longestToken = 8_192
const longestJti = 256
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * Judges a logout token by OpenID Connect Back-Channel Logout 1.0 §2.6, all but whether its `jti` was seen (C-53). Only an issuer that
 * signed pushes made known is asked for its keys, and only for a client of its own.
 *
 * `typ` must say `logout+jwt`, which the specification merely recommends: with it no other token of the same server can be taken for
 * one (RFC 8725 §3.11; T-32).
 */
export async function readLogoutToken (deps: ReadLogoutTokenDeps, token: string): Promise<LogoutTokenReading> {
  const unverified = decode(token)
  const { iss, aud } = unverified ?? {}
  if (typeof iss !== 'string' || aud === undefined) return refuse('token-malformed')
  const issuer = await deps.findIssuer(iss, [aud].flat().slice(0, 10))
  if (issuer === undefined) return refuse('issuer-or-audience-unknown')
  try {
    const { payload } = await jwtVerify(token, deps.keysAt(issuer.authorizationServer + deps.jwksPath), {
      algorithms,
      typ: 'logout+jwt',
      issuer: iss,
      audience: issuer.tenants.flatMap(({ clientIds }) => clientIds),
      currentDate: new Date(deps.clock.now()),
      clockTolerance: clockToleranceSeconds,
      maxTokenAge: oldestSeconds,
      requiredClaims: ['jti', 'events'],
    })
    const refusal = judgeClaims(payload)
    if (refusal !== undefined) return refuse(refusal)
    return { kind: 'read', issuer: iss, tenantIds: issuer.tenants.map(({ tenantId }) => tenantId), claims: payload as JWTPayload & { jti: string } }
  } catch (error) {
    return refuse(nameFailure(error))
  }
}

const refuse = (because: LogoutTokenRefusal): LogoutTokenReading => ({ kind: 'refused', because })

function decode (token: string): JWTPayload | undefined {
  if (token.length > longestToken) return undefined
  try {
    return decodeJwt(token)
  } catch {
    // No JWT: three parts of which the middle one is a JSON object.
    return undefined
  }
}

function judgeClaims ({ jti, events, nonce, sub, sid }: JWTPayload): LogoutTokenRefusal | undefined {
  if (nonce !== undefined) return 'nonce-present'
  if (typeof jti !== 'string' || jti === '' || jti.length > longestJti) return 'claims-refused'
  if (!isObject(events) || !isObject(events[logoutEvent])) return 'event-missing'
  return sub === undefined && sid === undefined ? 'nobody-named' : undefined
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** By class and code, never by text. What is no verdict on the token is a fault of ours. */
function nameFailure (error: unknown): LogoutTokenRefusal {
  if (error instanceof KeysUnavailable) return 'keys-unavailable'
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) return 'algorithm-refused'
  if (error instanceof errors.JWTExpired) return 'not-fresh'
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case 'typ': return 'type-refused'
      case 'iat': case 'nbf': return 'not-fresh'
      case 'events': return 'event-missing'
      default: return 'claims-refused'
    }
  }
  if (error instanceof errors.JOSEError) return 'signature-invalid'
  throw error
}
