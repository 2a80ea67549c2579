import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Endpoint = 'token' | 'userinfo'

/** How an endpoint answers instead of doing its work. */
export type Misbehaviour =
  | 'html' | 'redirect' | 'hang' | 'reset' | 'flood' | 'status-500' | 'status-429' | 'gzip' | 'not-json' | 'json-array'
  | { readonly status: number, readonly body: unknown, readonly headers?: Record<string, string> }
  /** Answers by itself, or later by `work`, which does what the endpoint is for. */
  | ((response: ServerResponse, work: () => void) => void)

export interface RecordedCall {
  readonly endpoint: Endpoint
  readonly form: Record<string, string>
  readonly authorization: string | undefined
}

export interface FakeAuthorizationServer {
  readonly url: string
  readonly calls: RecordedCall[]
  /** Set to make an endpoint misbehave; delete to mend it. */
  readonly misbehaviours: Map<Endpoint, Misbehaviour>
  /** What userinfo says to whoever comes by this code. */
  issueCode (userinfo: Record<string, unknown>): string
  /** Whose browser comes to the authorize endpoint, or to a unified login page at `/unified/`; both answer 404 while it is nobody's. */
  signedOn: Record<string, unknown> | undefined
  /** Where the unified login page sends the browser: the address registered there. */
  callbackUrl: string
  /** The authorize endpoint forgets to return the `state`, and names the tenant as the unified login page does. */
  isStateLost: boolean
  /** Answer of the token endpoint beside the tokens; 7200 s and a refresh token by default. */
  tokenMembers: Record<string, unknown>
  /** What `/api/v1/oauth2/jwks` answers, and how often it was asked. */
  jwks: unknown
  jwksCalls: number
  /** Resolves when the endpoint is called next. */
  nextCall (endpoint: Endpoint): Promise<RecordedCall>
}

/**
 * A tenant's authorization server that can be told to misbehave. Codes are good once, refresh tokens rotate; one that comes twice takes
 * all tokens of its sign-in with it (RFC 9700 §4.14.2).
 */
export async function openFakeAuthorizationServer (t: { teardown (closer: () => unknown): void }): Promise<FakeAuthorizationServer> {
  const codes = new Map<string, Record<string, unknown>>()
  const accessTokens = new Map<string, Record<string, unknown>>()
  const refreshTokens = new Map<string, Record<string, unknown>>()
  /** The tokens of each sign-in, found by any of its refresh tokens. */
  const families = new Map<string, Set<string>>()
  const waiting: { endpoint: Endpoint, resolve: (call: RecordedCall) => void }[] = []
  let counter = 0
  const fake: FakeAuthorizationServer & { url: string } = {
    url: '',
    calls: [],
    jwks: { keys: [] },
    jwksCalls: 0,
    misbehaviours: new Map(),
    signedOn: undefined,
    callbackUrl: '',
    isStateLost: false,
    tokenMembers: { expires_in: 7200, token_type: 'Bearer', scope: 'get_user_info' },
    issueCode (userinfo) {
      // Of this server only: two of them never issue the same one.
      const code = `code-canary-${new URL(fake.url).port}-${++counter}`
      codes.set(code, userinfo)
      return code
    },
    nextCall: (endpoint) => new Promise((resolve) => { waiting.push({ endpoint, resolve }) }),
  }

  function token (form: Record<string, string>): { status: number, body: unknown } {
    const isRefresh = form['grant_type'] === 'refresh_token'
    const pool = isRefresh ? refreshTokens : codes
    const key = (isRefresh ? form['refresh_token'] : form['code']) ?? ''
    const userinfo = pool.get(key)
    pool.delete(key)
    if (userinfo === undefined) {
      for (const token of families.get(key) ?? []) {
        accessTokens.delete(token)
        refreshTokens.delete(token)
      }
      return { status: 400, body: { error: 'invalid_grant', error_description: `Invalid ${isRefresh ? 'refresh token' : 'authorization code'}: ${key}` } }
    }
    const serial = ++counter
    accessTokens.set(`access-canary-${serial}`, userinfo)
    refreshTokens.set(`refresh-canary-${serial}`, userinfo)
    const family = families.get(key) ?? new Set()
    families.set(`refresh-canary-${serial}`, family.add(`access-canary-${serial}`).add(`refresh-canary-${serial}`))
    return { status: 200, body: { access_token: `access-canary-${serial}`, refresh_token: `refresh-canary-${serial}`, ...fake.tokenMembers } }
  }

  function userinfo (authorization: string | undefined): { status: number, body: unknown } {
    const known = accessTokens.get(authorization?.replace(/^Bearer /i, '') ?? '')
    return known === undefined
      ? { status: 401, body: { error: 'unauthorized', error_description: 'Full authentication is required to access this resource' } }
      : { status: 200, body: known }
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => { response.destroy() })
  })
  /** Answers a browser, without asking anything: as a server does that knows the person already. */
  function sendBack ({ searchParams }: URL, response: ServerResponse): void {
    if (fake.signedOn === undefined) {
      response.writeHead(404).end()
      return
    }
    const state = searchParams.get('state')
    const query = new URLSearchParams({ code: fake.issueCode(fake.signedOn) })
    if (state !== null && !fake.isStateLost) query.set('state', state)
    else query.set('tenant', String(fake.signedOn['tenant']))
    response.writeHead(302, { location: `${searchParams.get('redirect_uri') ?? fake.callbackUrl}?${query}` }).end()
  }

  async function handle (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', fake.url)
    if (url.pathname === '/api/v1/oauth2/authorize' || url.pathname === '/unified/') {
      sendBack(url, response)
      return
    }
    if (request.url === '/api/v1/oauth2/jwks') {
      fake.jwksCalls++
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(fake.jwks))
      return
    }
    const endpoint: Endpoint = request.url?.startsWith('/api/v1/oauth2/token') === true ? 'token' : 'userinfo'
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()))
    const { authorization } = request.headers
    const call = { endpoint, form, authorization }
    fake.calls.push(call)
    const index = waiting.findIndex((one) => one.endpoint === endpoint)
    const misbehaviour = fake.misbehaviours.get(endpoint)
    const work = (): void => {
      const { status, body } = endpoint === 'token' ? token(form) : userinfo(authorization)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (misbehaviour === undefined) work()
    else if (typeof misbehaviour === 'function') misbehaviour(response, work)
    else misbehave(misbehaviour, response)
    if (index >= 0) waiting.splice(index, 1)[0]?.resolve(call)
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}

function misbehave (how: Exclude<Misbehaviour, () => void>, response: ServerResponse): void {
  const json = { 'content-type': 'application/json' }
  if (typeof how === 'object') {
    response.writeHead(how.status, { ...json, ...how.headers }).end(JSON.stringify(how.body))
    return
  }
  switch (how) {
    case 'html': response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Maintenance</h1>'); break
    case 'redirect': response.writeHead(302, { location: 'http://127.0.0.1:1/steal' }).end(); break
    case 'hang': break
    case 'reset': response.socket?.resetAndDestroy(); break
    case 'flood': flood(response); break
    case 'status-500': response.writeHead(500, json).end('{"error":"server_error"}'); break
    case 'status-429': response.writeHead(429, { ...json, 'retry-after': '120' }).end('{}'); break
    case 'gzip': response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(Buffer.from([0x1f, 0x8b, 8, 0])); break
    case 'not-json': response.writeHead(200, json).end('{"access_token":'); break
    case 'json-array': response.writeHead(200, json).end('["access_token"]'); break
  }
}

/** 50 MB of JSON white space, as long as anybody reads it. */
function flood (response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const chunk = Buffer.alloc(1_048_576, 0x20)
  let left = 50
  const more = (): void => {
    while (left > 0) {
      left--
      if (!response.write(chunk)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  response.on('error', () => {})
  more()
}
