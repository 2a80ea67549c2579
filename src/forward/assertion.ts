import { SignJWT } from 'jose'
import { createRandomId } from '../base/random-id.ts'
import type { Principal } from '../directory/model.ts'
import type { SigningKey } from './signing-keys.ts'

/** C-46: at most five minutes, so that a leaked assertion is soon worth nothing. */
export const assertionLifetimeSeconds = 300

/** Says what the token is, so that no other JWT of anybody can be taken for it (RFC 8725 §3.11). */
const assertionType = 'gateway-identity+jwt'

export interface AssertionInput {
  readonly key: SigningKey
  /** The gateway's public origin, such as `https://app.example.com`. */
  readonly issuer: string
  readonly principal: Principal
  /** Epoch ms. */
  readonly now: number
}

/**
 * Who the request acts as, as an ES256 JWT for the upstream (RFC 7519). It is made for the application alone (`aud`) and tells the same
 * as the `x-identity-*` headers, unencoded.
 */
export async function signAssertion ({ key, issuer, principal, now }: AssertionInput): Promise<string> {
  const issuedAt = Math.floor(now / 1000)
  const claims = {
    tenant: principal.tenantId,
    tenant_name: principal.tenantName,
    user: principal.userName,
    name: principal.name,
    role: principal.role,
    department: principal.departmentCode,
    instance: principal.instanceId,
    access: principal.access,
  }
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: assertionType })
    .setIssuer(issuer)
    .setAudience(principal.appId)
    .setSubject(subjectOf(principal))
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertionLifetimeSeconds)
    .setJti(createRandomId())
    .sign(key.privateKey)
}

/**
 * The end-user's stable id over all tenants: `tenantId/userName`, each percent-encoded. Two different pairs never give the same text,
 * since an encoded part holds no `/` (T-16); nor does it hold a `:`, which would make it a URI by RFC 7519 §2.
 *
 * @throws URIError for a lone surrogate: there is no text for it, and a replacement could make two accounts one
 */
export function subjectOf ({ tenantId, userName }: Pick<Principal, 'tenantId' | 'userName'>): string {
  return `${encodeURIComponent(tenantId)}/${encodeURIComponent(userName)}`
}
