import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload } from 'jose'
import type { Clock } from '../base/clock.ts'
import { resolveUrl, type LateUrl } from './marketplace-options.ts'

/** Who is there, as the gateway's assertion says. */
export interface Visitor {
  /** Stable over all enterprises. */
  readonly subject: string
  /** The account's name inside its enterprise. */
  readonly user: string
  readonly name: string
  readonly role: string
  readonly department: string
  readonly tenant: string
  readonly tenantName: string
  readonly instance: string
  /** Epoch seconds. */
  readonly assertedAt: number
  readonly expiresAt: number
}

export type Verification =
  | { readonly kind: 'visitor', readonly visitor: Visitor }
  /** `keys-unavailable` is about the gateway, everything else about the request. */
  | { readonly kind: 'refused', readonly reason: 'assertion-missing' | 'keys-unavailable' | (string & {}) }

interface VerifierOptions {
  readonly gatewayUrl: LateUrl
  readonly appId: string
  readonly prefix: string
  readonly clock: Clock
}

// Written out, not imported: a seller's application has the documented contract and none of our code.
const assertionType = 'gateway-identity+jwt'

type VisitorVerifier = (assertion: string | undefined) => Promise<Verification>

/** All that an application behind the gateway has to do: verify one header against the gateway's published keys. */
export function createVisitorVerifier ({ gatewayUrl, appId, prefix, clock }: VerifierOptions): VisitorVerifier {
  let keys: ReturnType<typeof createRemoteJWKSet> | undefined
  return async (assertion) => {
    if (assertion === undefined) return { kind: 'refused', reason: 'assertion-missing' }
    const issuer = resolveUrl(gatewayUrl)
    keys ??= createRemoteJWKSet(new URL(`${issuer}${prefix}/jwks.json`))
    try {
      const { payload } = await jwtVerify(assertion, keys, {
        issuer, audience: appId, algorithms: ['ES256'], typ: assertionType, currentDate: new Date(clock.now()),
      })
      return { kind: 'visitor', visitor: visitorOf(payload) }
    } catch (error) {
      return { kind: 'refused', reason: error instanceof errors.JOSEError && !isAboutKeys(error) ? error.code : 'keys-unavailable' }
    }
  }
}

function isAboutKeys (error: errors.JOSEError): boolean {
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
}

function visitorOf (payload: JWTPayload): Visitor {
  const text = (claim: string): string => typeof payload[claim] === 'string' ? payload[claim] : ''
  return {
    subject: payload.sub ?? '',
    user: text('user'),
    name: text('name'),
    role: text('role'),
    department: text('department'),
    tenant: text('tenant'),
    tenantName: text('tenant_name'),
    instance: text('instance'),
    assertedAt: payload.iat ?? 0,
    expiresAt: payload.exp ?? 0,
  }
}
