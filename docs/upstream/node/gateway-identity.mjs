// Copy this file into your application and install `jose` (npm install jose). It needs Node.js 20 or newer and nothing else.
//
// Express:  app.use(requireIdentity({ issuer, audience }))                  then req.identity
// Fastify:  app.addHook('onRequest', identityHook({ issuer, audience }))   then request.identity
// Others, and WebSocket handshakes, which no middleware sees:  await createVerifier({ issuer, audience }).verify(headerValue)
import { compactVerify, decodeProtectedHeader, importJWK } from 'jose'

/** @typedef {{ subject: string, tenant: string, tenantName: string, user: string, name: string, role: string, department: string,
 *    instance: string, access: string, expiresAt: number }} Identity `subject` is stable and unique over all tenants; store that. */
/** @typedef {{ issuer: string, audience: string, jwksUrl?: string, now?: () => number, onRefused?: (reason: string) => void }} Options
 *    `issuer`: the gateway's public origin; `audience`: your appId; `now`: epoch seconds, for tests. */

/** How far the two machines' clocks may be apart. */
const leewaySeconds = 30
/** The gateway never gives longer (its C-46). */
const maxLifetimeSeconds = 300
const maxTokenLength = 8192

const maxKeySetLength = 65_536
const fetchTimeoutMs = 5_000
/** A key that we don't know makes us look again, but not at any caller's pace. */
const secondsBetweenFetches = 60
const secondsAfterFailure = 5
/** So long old keys serve while new ones can't be had. */
const maxStaleSeconds = 3600

const assertionHeader = 'x-identity-assertion'
const plainHeaders = new Set(['tenant', 'user', 'name', 'role', 'department', 'instance', 'access'].map((name) => `x-identity-${name}`))
/** They would bring a key, or rules, of their own (RFC 7515 §4.1, RFC 7797). The key comes from the gateway's address alone. */
const refusedHeaderMembers = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c']

/** No for the log; whoever asks learns nothing but 401. */
export class IdentityRefused extends Error {
  constructor (reason) {
    super(`identity refused: ${reason}`)
    this.reason = reason
  }
}

/** Nobody's fault in the request: the gateway's keys can't be had. Answer 503. */
export class KeysUnavailable extends Error {}

/** @param {Options} options */
export function createVerifier ({ issuer, audience, jwksUrl = `${issuer}/_gate/jwks.json`, now = () => Date.now() / 1000 }) {
  if (!issuer || !audience) throw new TypeError('issuer and audience are needed: without them a token for anybody would do')
  const keyFor = createKeyLookup(jwksUrl, now)

  /** @param {string | string[] | undefined} value the header's value @returns {Promise<Identity>} */
  async function verify (value) {
    if (value === undefined) throw new IdentityRefused('missing')
    // Node joins a repeated header with a comma, which the pattern refuses.
    if (typeof value !== 'string' || value.length > maxTokenLength || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(value)) throw new IdentityRefused('malformed')
    const key = await keyFor(judgeHeader(value))
    // 64 bytes, spelled in the one way that leaves the unused bits zero.
    if (!/\.[\w-]{85}[AQgw]$/.test(value)) throw new IdentityRefused('signature')
    const { payload } = await compactVerify(value, key, { algorithms: ['ES256'] }).catch(() => { throw new IdentityRefused('signature') })
    return judgeClaims(readClaims(payload), issuer, audience, now())
  }
  return { verify }
}

function judgeHeader (token) {
  let header
  try {
    header = decodeProtectedHeader(token)
  } catch {
    throw new IdentityRefused('malformed')
  }
  if (refusedHeaderMembers.some((name) => Object.hasOwn(header, name))) throw new IdentityRefused('header')
  if (header.alg !== 'ES256') throw new IdentityRefused('alg')
  if (header.typ !== 'gateway-identity+jwt') throw new IdentityRefused('typ')
  if (typeof header.kid !== 'string') throw new IdentityRefused('kid')
  return header.kid
}

function readClaims (payload) {
  let claims
  try {
    claims = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    throw new IdentityRefused('malformed')
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new IdentityRefused('malformed')
  return claims
}

function judgeClaims (claims, issuer, audience, now) {
  if (claims.iss !== issuer) throw new IdentityRefused('iss')
  // Only as the gateway writes it: for us alone, no list.
  if (claims.aud !== audience) throw new IdentityRefused('aud')
  const { iat, exp, nbf } = claims
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp) || (nbf !== undefined && !Number.isSafeInteger(nbf))) throw new IdentityRefused('time')
  if (exp + leewaySeconds <= now || Math.max(iat, nbf ?? iat) > now + leewaySeconds) throw new IdentityRefused('time')
  if (exp - iat > maxLifetimeSeconds) throw new IdentityRefused('time')
  const texts = ['sub', 'jti', 'tenant', 'tenant_name', 'user', 'name', 'role', 'department', 'instance', 'access']
  if (texts.some((name) => !Object.hasOwn(claims, name) || typeof claims[name] !== 'string')) throw new IdentityRefused('claims')
  if (['sub', 'jti', 'tenant', 'user', 'access'].some((name) => claims[name] === '')) throw new IdentityRefused('claims')
  const { sub: subject, tenant, tenant_name: tenantName, user, name, role, department, instance, access } = claims
  return { subject, tenant, tenantName, user, name, role, department, instance, access, expiresAt: exp }
}

function createKeyLookup (jwksUrl, now) {
  let keys = new Map()
  let freshUntil = 0
  let mayFetchAt = 0
  let fetching

  async function refresh () {
    try {
      const found = await fetchKeys(jwksUrl)
      keys = found.keys
      freshUntil = now() + found.maxAgeSeconds
      mayFetchAt = now() + secondsBetweenFetches
    } catch (error) {
      mayFetchAt = now() + secondsAfterFailure
      console.warn(`the gateway's keys can't be had: ${error.message}`)
    }
  }

  return async function keyFor (kid) {
    if (now() >= freshUntil || !keys.has(kid)) {
      if (fetching === undefined && now() >= mayFetchAt) fetching = refresh().finally(() => { fetching = undefined })
      await fetching
    }
    if (now() >= freshUntil + maxStaleSeconds) throw new KeysUnavailable()
    const key = keys.get(kid)
    if (key === undefined) throw new IdentityRefused('kid')
    return key
  }
}

async function fetchKeys (url) {
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(fetchTimeoutMs) })
  const text = await answer.text()
  if (!answer.ok || text.length > maxKeySetLength) throw new Error(`${answer.status}, ${text.length} characters`)
  const keys = new Map()
  for (const jwk of JSON.parse(text).keys) {
    const { kty, crv, kid, x, y, use = 'sig', alg = 'ES256' } = jwk ?? {}
    if (kty !== 'EC' || crv !== 'P-256' || use !== 'sig' || alg !== 'ES256' || typeof kid !== 'string' || kid === '') continue
    // One bad key must not cost the others.
    const key = await importJWK({ kty, crv, x, y }, 'ES256').catch(() => undefined)
    if (key !== undefined) keys.set(kid, key)
  }
  if (keys.size === 0) throw new Error('no ES256 key in the answer')
  const maxAge = Number(/(?:^|[\s,])max-age=(\d{1,6})(?:$|[\s,])/i.exec(answer.headers.get('cache-control') ?? '')?.[1] ?? 300)
  return { keys, maxAgeSeconds: Math.min(Math.max(maxAge, 60), 3600) }
}

/** What the assertion tells too, and anybody may have written. After this nobody reads them by mistake. */
function removePlainHeaders (headers) {
  for (const name of Object.keys(headers)) {
    if (plainHeaders.has(name.replace(/[^a-z0-9]/g, '-'))) delete headers[name]
  }
}

/** The status of a no; what is neither a refusal nor missing keys is a bug and stays an exception. */
function statusOf (error, onRefused) {
  if (error instanceof KeysUnavailable) return 503
  if (!(error instanceof IdentityRefused)) throw error
  onRefused(error.reason)
  return 401
}

const challenge = { 'www-authenticate': 'GatewayIdentity', 'cache-control': 'no-store' }
const warn = (reason) => { console.warn(`identity refused: ${reason}`) }

/** For Express, Connect and node's own server: `(req, res, next)`. @param {Options} options */
export function requireIdentity (options) {
  const { verify } = createVerifier(options)
  return async function identity (req, res, next) {
    try {
      req.identity = await verify(req.headers[assertionHeader])
      removePlainHeaders(req.headers)
    } catch (error) {
      try {
        res.writeHead(statusOf(error, options.onRefused ?? warn), challenge).end()
      } catch (bug) {
        next(bug)
      }
      return
    }
    next()
  }
}

/** For Fastify: an `onRequest` hook. @param {Options} options */
export function identityHook (options) {
  const { verify } = createVerifier(options)
  return async function identity (request, reply) {
    try {
      request.identity = await verify(request.headers[assertionHeader])
      removePlainHeaders(request.headers)
    } catch (error) {
      return reply.code(statusOf(error, options.onRefused ?? warn)).headers(challenge).send()
    }
  }
}
