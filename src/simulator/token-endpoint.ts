import { createRandomId } from '../base/random-id.ts'
import type { Clock } from '../base/clock.ts'
import { resolveUrl, type LateUrl } from './marketplace-options.ts'
import {
  departmentName, type CodeGrant, type Enterprise, type MarketplaceState, type Member, type TokenGrant,
} from './marketplace-state.ts'

const codeLifeMilliseconds = 60_000
const accessTokenLifeSeconds = 7_200
const refreshTokenLifeMilliseconds = 30 * 24 * 3_600_000

interface TokenParts {
  readonly state: MarketplaceState
  readonly callbackUrl: LateUrl
  readonly clock: Clock
}

/** The form of a token request; the credentials stand in it (login.md §1.3). An absent field is `undefined`. */
export interface TokenForm {
  readonly grant_type?: string | undefined
  readonly client_id?: string | undefined
  readonly client_secret?: string | undefined
  readonly code?: string | undefined
  readonly redirect_uri?: string | undefined
  readonly refresh_token?: string | undefined
}

export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
  readonly scope: 'get_user_info'
  readonly refresh_token: string
}

export interface OAuthError {
  readonly error: string
  readonly error_description: string
}

const refuse = (error: string, description: string): OAuthError => ({ error, error_description: description })

/** A code for the member, good once and for a minute. */
export function issueCode ({ state, clock }: TokenParts, enterprise: Enterprise, member: Member, redirectUri?: string): string {
  const code = createRandomId()
  state.codes.set(code, {
    tenantCode: enterprise.code,
    userName: member.userName,
    clientId: enterprise.client?.clientId ?? '',
    redirectUri,
    expiresAt: clock.now() + codeLifeMilliseconds,
  })
  return code
}

/** The token endpoint of one enterprise: both grants, errors with the marketplace's own words (login.md §1.8). */
export function answerTokenRequest (parts: TokenParts, enterprise: Enterprise, form: TokenForm): TokenAnswer | OAuthError {
  if (form.grant_type === 'authorization_code') return redeemCode(parts, enterprise, form)
  if (form.grant_type === 'refresh_token') return refresh(parts, enterprise, form)
  return refuse('unsupported_grant_type', `Unauthorized grant type: ${form.grant_type ?? ''}`)
}

function redeemCode (parts: TokenParts, enterprise: Enterprise, form: TokenForm): TokenAnswer | OAuthError {
  const { state, clock, callbackUrl } = parts
  // Consumed before anything is compared: also a failed exchange burns the code (login.md §1.8).
  const grant = consume(state.codes, form.code)
  if (grant === undefined || grant.expiresAt <= clock.now() || grant.tenantCode !== enterprise.code) {
    return refuse('invalid_grant', 'Invalid authorization code')
  }
  if (!isRedirectUriRight(grant, form, resolveUrl(callbackUrl))) return refuse('invalid_grant', 'Redirect URI mismatch.')
  const wrongClient = checkClient(enterprise, grant, form)
  if (wrongClient !== undefined) return wrongClient
  if (activeMember(enterprise, grant.userName) === undefined) return refuse('invalid_grant', 'Invalid authorization code')
  return issueTokens(parts, grant)
}

/** Identical to that of the authorization request; where there was none, the registered callback or nothing. */
function isRedirectUriRight (grant: CodeGrant, form: TokenForm, registered: string): boolean {
  return grant.redirectUri === undefined
    ? form.redirect_uri === undefined || form.redirect_uri === registered
    : form.redirect_uri === grant.redirectUri
}

function refresh (parts: TokenParts, enterprise: Enterprise, form: TokenForm): TokenAnswer | OAuthError {
  const { state, clock } = parts
  const grant = state.faults.revokedRefreshTokens === 'on' ? undefined : state.refreshTokens.get(form.refresh_token ?? '')
  if (grant === undefined || grant.expiresAt <= clock.now() || grant.tenantCode !== enterprise.code) {
    return refuse('invalid_grant', 'Invalid refresh token')
  }
  const wrongClient = checkClient(enterprise, grant, form)
  if (wrongClient !== undefined) return wrongClient
  consume(state.refreshTokens, form.refresh_token)
  if (activeMember(enterprise, grant.userName) === undefined) return refuse('invalid_grant', 'Invalid refresh token')
  return issueTokens(parts, grant)
}

function checkClient (enterprise: Enterprise, grant: TokenGrant, form: TokenForm): OAuthError | undefined {
  if (form.client_id !== grant.clientId) return refuse('invalid_client', 'Client ID mismatch')
  const { client } = enterprise
  const isKnown = client !== undefined && client.clientId === form.client_id && client.clientSecret === form.client_secret
  return isKnown ? undefined : refuse('invalid_client', 'Bad client credentials')
}

function issueTokens ({ state, clock }: TokenParts, { tenantCode, userName, clientId }: TokenGrant): TokenAnswer {
  const now = clock.now()
  const accessToken = createRandomId()
  const refreshToken = createRandomId()
  state.accessTokens.set(accessToken, { tenantCode, userName, clientId, expiresAt: now + accessTokenLifeSeconds * 1000 })
  state.refreshTokens.set(refreshToken, { tenantCode, userName, clientId, expiresAt: now + refreshTokenLifeMilliseconds })
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: accessTokenLifeSeconds,
    scope: 'get_user_info',
    refresh_token: refreshToken,
  }
}

export type Userinfo = Readonly<Record<string, string>>

/** What userinfo says: a flat object of texts without `sub` (login.md §2.1); `undefined` for a dead token. */
export function readUserinfo ({ state, clock }: TokenParts, enterprise: Enterprise, accessToken: string): Userinfo | undefined {
  const grant = state.accessTokens.get(accessToken)
  if (grant === undefined || grant.expiresAt <= clock.now() || grant.tenantCode !== enterprise.code) return undefined
  const member = activeMember(enterprise, grant.userName)
  if (member === undefined) return undefined
  return {
    id: member.id,
    userName: member.userName,
    name: member.name,
    email: `${member.userName}@${enterprise.code}.example`,
    mobile: '',
    role: member.role,
    tenant: enterprise.tenantId,
    projectName: enterprise.name,
    organizationCode: member.departmentCode,
    organizationName: departmentName(enterprise, member.departmentCode),
  }
}

function activeMember (enterprise: Enterprise, userName: string): Member | undefined {
  const member = enterprise.members.get(userName)
  return member?.isEnabled === true ? member : undefined
}

function consume<Grant> (grants: Map<string, Grant>, key: string | undefined): Grant | undefined {
  const grant = grants.get(key ?? '')
  grants.delete(key ?? '')
  return grant
}
