import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'
import { freePort } from './build-gateway.ts'

export interface ForeignClient {
  readonly clientId: string
  readonly clientSecret: string
  readonly authentication: 'client_secret_post' | 'client_secret_basic'
  readonly redirectUri: string
}

export interface ForeignProvider {
  readonly url: string
  /** Paths in the order of their answers, with the status. */
  readonly answers: { readonly path: string, readonly status: number }[]
  /** Resolves when the next answer of this path has been sent. */
  nextAnswer (path: string): Promise<void>
  close (): void
}

export const foreignRoutes = {
  authorization: '/api/v1/oauth2/authorize', token: '/api/v1/oauth2/token', userinfo: '/api/v1/oauth2/userinfo',
} as const

/**
 * `oidc-provider`, an authorization server that knows nothing of this project, under the marketplace's paths. It asks for a name and
 * for consent once on pages of its own, revokes a whole grant when a code or a refresh token comes twice, and rotates the latter.
 *
 * @param claims what userinfo tells of whoever signed in under a name
 */
export async function openForeignProvider (
  client: ForeignClient, claims: (userName: string) => Record<string, unknown>,
): Promise<ForeignProvider> {
  const url = `http://127.0.0.1:${await freePort()}`
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const provider = new Provider(url, {
    routes: foreignRoutes,
    clients: [{
      client_id: client.clientId,
      client_secret: client.clientSecret,
      token_endpoint_auth_method: client.authentication,
      redirect_uris: [client.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }],
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub', 'userName', 'name', 'tenant'] },
    findAccount: (_context: unknown, userName: string) => ({
      accountId: userName, claims: () => ({ sub: userName, ...claims(userName) }),
    }),
    // The marketplace knows no PKCE and gives refresh tokens without being asked for consent again (login.md §1.3, §1.9).
    pkce: { required: () => false },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: {
      AccessToken: 7200, AuthorizationCode: 60, IdToken: 7200, RefreshToken: 2_592_000, Grant: 2_592_000, Session: 86_400, Interaction: 600,
    },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  })

  const answers: ForeignProvider['answers'] = []
  const waiting: { path: string, resolve: () => void }[] = []
  const handle = provider.callback()
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', url).pathname
    response.on('finish', () => {
      answers.push({ path, status: response.statusCode })
      for (const one of waiting.filter((candidate) => candidate.path === path)) {
        waiting.splice(waiting.indexOf(one), 1)
        one.resolve()
      }
    })
    handle(request, response)
  })
  server.listen(Number(new URL(url).port), '127.0.0.1')
  await once(server, 'listening')
  return {
    url,
    answers,
    nextAnswer: (path) => new Promise((resolve) => { waiting.push({ path, resolve }) }),
    close () {
      server.closeAllConnections()
      server.close()
    },
  }
}
