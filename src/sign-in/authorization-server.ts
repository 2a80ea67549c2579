import * as oauth from 'openid-client'
import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { RenewalAnswer } from '../session/renewal-attempt.ts'
import type { TokenSet } from '../session/session.ts'
import { describeFailure, type Failure } from './authorization-server-failure.ts'
import type { Outbound } from './outbound-fetch.ts'
import { parseUserinfo, type Userinfo } from './userinfo.ts'

/** The client of one tenant at its authorization server, as pushed. */
export interface Client {
  /** `domainName`, without a trailing slash. */
  readonly authorizationServer: string
  readonly clientId: string
  readonly clientSecret: Secret
}

export type TokenAnswer = { readonly kind: 'tokens', readonly tokens: TokenSet } | Failure
export type UserinfoAnswer = { readonly kind: 'userinfo', readonly userinfo: Userinfo } | { readonly kind: 'unnamed' } | Failure

/** The tenant's authorization server, `{domainName}/api/v1/…` (`login.md` §1). Failures are values; nothing is ever repeated here. */
export interface AuthorizationServer {
  /** RFC 6749 §4.1.3. A code is good once, also when this fails (C-7). */
  exchangeCode (client: Client, grant: CodeGrant): Promise<TokenAnswer>
  /** RFC 6749 §6. */
  refresh (client: Client, refreshToken: string): Promise<TokenAnswer>
  fetchUserinfo (client: Client, accessToken: string): Promise<UserinfoAnswer>
  /** Where a browser asks for a code (RFC 6749 §4.1.1). */
  authorizationUrl (client: Pick<Client, 'authorizationServer' | 'clientId'>, request: AuthorizationRequest): string
}

export interface CodeGrant {
  readonly code: string
  readonly redirectUri: string | undefined
  /** RFC 7636 §4.5. */
  readonly codeVerifier: string | undefined
}

export interface AuthorizationRequest {
  readonly redirectUri: string
  readonly state: string
  /** S256 (RFC 7636 §4.2); there is no other. */
  readonly codeChallenge?: string
}

export interface AuthorizationServerOptions {
  readonly outbound: Pick<Outbound, 'fetch'>
  readonly clock: Clock
  readonly scope: string
  readonly clientAuthentication: 'body' | 'basic'
  readonly timeoutSeconds: number
  readonly dangerouslyAllowHttp: boolean
}

/** RFC 6749 §5.1 only recommends `expires_in`; this is the marketplace's own default (`login.md` Q11). */
const defaultLifetimeSeconds = 7200
/** Shorter ones would be renewed with every request; a year outlives every session. */
const shortestLifetimeSeconds = 60
const longestLifetimeSeconds = 31_536_000
/** Every session keeps its tokens, so a server may not make them as long as it likes. */
const longestToken = 8192
const longestSid = 256

export function createAuthorizationServer (options: AuthorizationServerOptions): AuthorizationServer {
  // Built for each call: clients come and change with the pushes, and so the secret is open only as long as it is needed.
  const configure = ({ authorizationServer, clientId, clientSecret }: Client): oauth.Configuration => {
    const authenticate = options.clientAuthentication === 'basic' ? clientSecretBasic : oauth.ClientSecretPost
    const configuration = new oauth.Configuration({
      issuer: authorizationServer,
      token_endpoint: `${authorizationServer}/api/v1/oauth2/token`,
    }, clientId, undefined, authenticate(clientSecret.reveal()))
    configuration[oauth.customFetch] = options.outbound.fetch
    configuration.timeout = options.timeoutSeconds
    if (options.dangerouslyAllowHttp) oauth.allowInsecureRequests(configuration)
    return configuration
  }

  async function askForTokens (client: Client, grantType: string, parameters: Record<string, string>): Promise<TokenAnswer> {
    try {
      const answer = await oauth.genericGrantRequest(configure(client), grantType, parameters)
      const { access_token: accessToken, refresh_token: refreshToken, expires_in: lifetimeSeconds = defaultLifetimeSeconds } = answer
      if (Math.max(accessToken.length, refreshToken?.length ?? 0) > longestToken) return { kind: 'unavailable', detail: { error: 'token_too_long' }, mayHaveActed: true }
      const sid = answer.claims()?.['sid']
      return {
        kind: 'tokens',
        tokens: {
          accessToken,
          ...(typeof sid === 'string' && sid.length <= longestSid ? { sid } : {}),
          ...(refreshToken === undefined ? {} : { refreshToken }),
          expiresAt: options.clock.now() + Math.min(Math.max(lifetimeSeconds, shortestLifetimeSeconds), longestLifetimeSeconds) * 1000,
        },
      }
    } catch (error) {
      return describeFailure(error, options.clock.now())
    }
  }

  return {
    exchangeCode: (client, { code, redirectUri, codeVerifier }) => askForTokens(client, 'authorization_code', {
      code,
      ...(redirectUri === undefined ? {} : { redirect_uri: redirectUri }),
      ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
    }),

    refresh: (client, refreshToken) => askForTokens(client, 'refresh_token', { refresh_token: refreshToken }),

    async fetchUserinfo (client, accessToken) {
      try {
        // Not fetchUserInfo: that wants the `sub` of OpenID Connect, which the marketplace's answer doesn't have (`login.md` §2.1).
        const url = new URL(`${client.authorizationServer}/api/v1/oauth2/userinfo`)
        const answer = await oauth.fetchProtectedResource(configure(client), accessToken, url, 'GET', null, new Headers({ accept: 'application/json' }))
        if (answer.status !== 200) return describeFailure(answer, options.clock.now())
        const userinfo = parseUserinfo(await answer.json())
        return userinfo === undefined ? { kind: 'unnamed' } : { kind: 'userinfo', userinfo }
      } catch (error) {
        return describeFailure(error, options.clock.now())
      }
    },

    authorizationUrl ({ authorizationServer, clientId }, { redirectUri, state, codeChallenge }) {
      const query = new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: options.scope,
        state,
        ...(codeChallenge === undefined ? {} : { code_challenge: codeChallenge, code_challenge_method: 'S256' }),
      })
      return `${authorizationServer}/api/v1/oauth2/authorize?${query}`
    },
  }
}

/**
 * RFC 6749 §2.3.1, in the form encoding of the URL standard. openid-client's own also escapes `-`, `_` and `.`, and to a server that
 * does not decode (`login.md` §1.3) that is another client.
 */
function clientSecretBasic (clientSecret: string): oauth.ClientAuth {
  return (_server, { client_id: clientId }, _body, headers) => {
    const credentials = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
    headers.set('authorization', `Basic ${credentials}`)
  }
}

function formEncode (text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

/** What a renewal makes of an answer; what it doesn't say stays as it was: the refresh token (RFC 6749 §6) and the server's session. */
export function toRenewalAnswer (answer: TokenAnswer, used: TokenSet): RenewalAnswer {
  if (answer.kind !== 'tokens') return answer
  const { refreshToken, sid } = used
  const kept = { ...(refreshToken === undefined ? {} : { refreshToken }), ...(sid === undefined ? {} : { sid }) }
  return { kind: 'renewed', tokens: { ...kept, ...answer.tokens } }
}
