import fc from 'fast-check'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTVerifyResult } from 'jose'
import t from 'tap'
import { foldHeaderName, identityHeaders } from '../../src/base/header-names.ts'
import type { Principal, TenantId, UserName } from '../../src/directory/model.ts'
import { subjectOf } from '../../src/forward/assertion.ts'
import { IdentityCache } from '../../src/forward/identity-cache.ts'
import { loadSigningKeys } from '../../src/forward/signing-keys.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import {
  alice, defaultHeaderNames, MemoryKeyStore, requestText, startGateway, startUpstream, talk, valuesOf,
  statusOfAnswer, type ForwardGateway, type RecordingUpstream,
} from '../support/forward-gateway.ts'
import { capitalised, droppedNames, spellingsOf } from '../support/header-spellings.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { bindTenant, signIn, storedSession, tenantId, until } from '../support/signed-in.ts'

async function publishedKeys (gateway: ForwardGateway): Promise<JSONWebKeySet> {
  return (await gateway.app.inject('/_gate/jwks.json')).json()
}

async function assertionSeen (gateway: ForwardGateway, upstream: RecordingUpstream): Promise<string> {
  await talk(gateway.port, requestText('/a'))
  return valuesOf(upstream.seen.at(-1)?.rawHeaders ?? [], identityHeaders.assertion)[0] ?? ''
}

/** As an upstream is told to do it. */
function verify (token: string, keys: JSONWebKeySet, now: number, audience = 'app-1'): Promise<JWTVerifyResult> {
  return jwtVerify(token, createLocalJWKSet(keys), {
    issuer: 'https://app.example.com',
    audience,
    algorithms: ['ES256'],
    typ: 'gateway-identity+jwt',
    currentDate: new Date(now),
    requiredClaims: ['sub', 'iat', 'exp', 'jti'],
  })
}

t.test('C-46 the upstream verifies the assertion with the published keys', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const token = await assertionSeen(gateway, upstream)
  const keys = await publishedKeys(gateway)
  const { payload, protectedHeader } = await verify(token, keys, gateway.clock.now())
  t.strictSame(protectedHeader, { alg: 'ES256', kid: keys.keys[0]?.kid, typ: 'gateway-identity+jwt' })
  const { jti, ...claims } = payload
  t.match(jti, /^[\w-]{43}$/)
  const issuedAt = gateway.clock.now() / 1000
  t.strictSame(claims, {
    iss: 'https://app.example.com',
    aud: 'app-1',
    sub: 'a1b2c3/alice',
    iat: issuedAt,
    exp: issuedAt + 300,
    tenant: 'a1b2c3',
    tenant_name: '示例企业',
    user: 'alice',
    name: '爱丽丝 A%',
    role: 'user',
    department: 'D-01',
    instance: 'instance-1',
    access: 'full',
  })
  await t.rejects(verify(token, keys, gateway.clock.now() + 300_000), { code: 'ERR_JWT_EXPIRED' })
  await t.rejects(verify(token, keys, gateway.clock.now(), 'app-2'), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' })
})

t.test('the key set shows public parts only and may be cached', async (t) => {
  const gateway = await startGateway(t, { upstream: (await startUpstream(t)).url })
  const { headers, payload } = await gateway.app.inject('/_gate/jwks.json')
  t.equal(headers['cache-control'], 'public, max-age=300')
  t.match(headers['content-type'], /^application\/jwk-set\+json/)
  const { keys } = JSON.parse(payload) as JSONWebKeySet
  t.equal(keys.length, 1)
  t.strictSame(Object.keys(keys[0] ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

t.test('one assertion serves a session until 60 seconds before its end, or until the principal changes', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const first = await assertionSeen(gateway, upstream)
  gateway.clock.advance(239_999)
  gateway.sessions.set('good', { ...alice })
  t.equal(await assertionSeen(gateway, upstream), first, 'an equal principal is the same principal')
  gateway.clock.advance(1)
  const second = await assertionSeen(gateway, upstream)
  t.not(second, first)
  const changes: Partial<Principal>[] = [
    { role: 'admin' }, { name: 'Bob' }, { departmentCode: 'D-02' }, { tenantName: 'B' }, { instanceId: 'i2' as never }, { appId: 'app-2' as never },
    { userName: 'bob' as never }, { tenantId: 'b' as never }, { access: 'read-only' },
  ]
  let last = second
  for (const change of changes) {
    gateway.sessions.set('good', { ...alice, ...change })
    const next = await assertionSeen(gateway, upstream)
    t.not(next, last, JSON.stringify(change))
    last = next
  }
})

t.test('sessions never share an assertion; requests at once of one session do', async (t) => {
  const clock = new ManualClock()
  const keys = await loadSigningKeys(new MemoryKeyStore(), clock)
  const identities = new IdentityCache({ keys, headerNames: defaultHeaderNames, publicUrl: new URL('https://app.example.com'), clock })
  const [a, b, c] = await Promise.all(['one', 'one', 'two'].map((ref) => identities.headersFor(ref as SessionRef, alice)))
  t.equal(a, b)
  t.not(a?.at(-1), c?.at(-1))
})

t.test('a failed signature is not remembered', async (t) => {
  const clock = new ManualClock()
  const keys = await loadSigningKeys(new MemoryKeyStore(), clock)
  const identities = new IdentityCache({ keys, headerNames: defaultHeaderNames, publicUrl: new URL('https://app.example.com'), clock })
  const halfCharacter = { ...alice, userName: '\ud800' as UserName }
  await t.rejects(identities.headersFor('one' as SessionRef, halfCharacter), URIError)
  await t.rejects(identities.headersFor('one' as SessionRef, halfCharacter), URIError)
  await t.resolves(identities.headersFor('one' as SessionRef, alice))
})

t.test('the key survives a restart; gateways that start at once agree on one', async (t) => {
  const upstream = await startUpstream(t)
  const keyStore = new MemoryKeyStore()
  const first = await startGateway(t, { upstream: upstream.url, keyStore })
  const token = await assertionSeen(first, upstream)
  await first.app.close()
  const second = await startGateway(t, { upstream: upstream.url, keyStore })
  await t.resolves(verify(token, await publishedKeys(second), second.clock.now()))
  t.equal(String((await keyStore.list())[0]?.jwk), '[secret]')

  const shared = new MemoryKeyStore()
  const clock = new ManualClock()
  const starting = await Promise.all([1, 2, 3].map(() => loadSigningKeys(shared, clock)))
  t.equal(new Set(starting.map((keys) => keys.current().kid)).size, 1)
  t.equal((await shared.list()).length, 1)
})

t.test('T-16 two different end-users never have one subject', async () => {
  const part = fc.array(fc.constantFrom('a', '/', '%', '%2F', ':', '中', '', '2F', ' '), { maxLength: 4 }).map((pieces) => pieces.join(''))
  fc.assert(fc.property(part, part, part, part, (tenantA, userA, tenantB, userB) => {
    const a = subjectOf({ tenantId: tenantA as TenantId, userName: userA as UserName })
    const b = subjectOf({ tenantId: tenantB as TenantId, userName: userB as UserName })
    return (a === b) === (tenantA === tenantB && userA === userB) && !a.includes(':')
  }))
})

const ownNames = {
  tenant: 'remote-tenant',
  user: 'remote-user',
  name: 'x-name',
  role: 'x-role',
  department: 'x-dept',
  instance: 'x-instance',
  access: 'x-access',
  assertion: 'x-jwt-assertion',
  accessToken: 'x-token',
}
const handshake = ['upgrade: websocket', 'sec-websocket-version: 13', 'sec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==', 'origin: https://app.example.com']
const rule = { host: undefined, roles: undefined, preflight: undefined, upstream: undefined, timeoutSeconds: undefined } as const

t.test('T-06 T-07 C-36 C-37 configured header names are ours as the others are, in any spelling and whatever Connection lists', { timeout: 60_000 }, async (t) => {
  const upstream = await startUpstream(t)
  const routes = [{ ...rule, path: '/token', accessToken: true, access: undefined }, { ...rule, path: '/open', accessToken: true, access: 'public' }] as const
  const gateway = await startGateway(t, { upstream: upstream.url, headerNames: ownNames, routes })
  const names = Object.values(ownNames)
  const problems: string[] = []
  for (const name of [...names, ...Object.values(defaultHeaderNames), ...droppedNames]) {
    const headers = spellingsOf(name).flatMap((spelling) => [`${spelling}: evil`, `${spelling}: evil`])
    for (const target of ['/token', '/other', '/open']) {
      for (const more of [[], handshake]) {
        for (const connection of [`close, upgrade, ${name}`, `close, upgrade, ${capitalised(name)}, ${name.replaceAll('-', '_')}`]) {
          const answer = await talk(gateway.port, requestText(target, { headers: [`connection: ${connection}`, ...headers, ...more, 'x-other: kept'] }))
          const { rawHeaders } = upstream.seen.pop() ?? { rawHeaders: [] }
          const expected = names.filter((each) => target !== '/open' && (each !== ownNames.accessToken || target === '/token'))
          const seen = rawHeaders.filter((_, index) => index % 2 === 0).map(foldHeaderName).filter((each) => names.includes(each))
          const isGood = statusOfAnswer(answer) === 200 && !rawHeaders.join().includes('evil') && valuesOf(rawHeaders, 'x-other')[0] === 'kept'
          if (!isGood || seen.sort().join() !== expected.sort().join()) problems.push(`${target} ${name}: ${statusOfAnswer(answer)} ${rawHeaders.join()}`)
        }
      }
    }
  }
  t.strictSame(problems, [])
  await talk(gateway.port, requestText('/token'))
  const { rawHeaders } = upstream.seen.pop() ?? t.fail('nothing came') as never
  t.notOk(rawHeaders.some((text) => text.startsWith('x-identity-')), 'under no other name')
  t.strictSame([ownNames.user, ownNames.role, ownNames.accessToken].map((name) => valuesOf(rawHeaders, name)), [['alice'], ['user'], ['token']])
  await verify(valuesOf(rawHeaders, ownNames.assertion)[0] ?? '', await publishedKeys(gateway), gateway.clock.now())
})

t.test('the configured names hold in the whole gateway', async (t) => {
  const env = {
    JOINTGATE_IDENTITY_TENANT_HEADER: 'X-Company',
    JOINTGATE_IDENTITY_USER_HEADER: 'Remote-User',
    JOINTGATE_IDENTITY_NAME_HEADER: 'Remote-Name',
    JOINTGATE_IDENTITY_ROLE_HEADER: 'Remote-Groups',
    JOINTGATE_IDENTITY_DEPARTMENT_HEADER: 'x-unit',
    JOINTGATE_IDENTITY_INSTANCE_HEADER: 'x-purchase',
    JOINTGATE_IDENTITY_ACCESS_HEADER: 'x-may',
    JOINTGATE_IDENTITY_ASSERTION_HEADER: 'x-jwt',
    JOINTGATE_IDENTITY_ACCESS_TOKEN_HEADER: 'x-token',
  }
  const gateway = await openTestGateway(t, { env: { ...env, JOINTGATE_ROUTES: '[{ path: /api, accessToken: true }]' } })
  const browser = await signIn(gateway, await bindTenant(t, gateway))
  const names = Object.values(env).map((name) => name.toLowerCase())
  const evil = Object.fromEntries([...names.map((name) => name.replaceAll('-', '_')), ...names, 'X-Identity-User'].map((name) => [name, 'evil']))
  await browser.open('/api', { headers: evil })
  const seen = gateway.upstream.requests.at(-1)?.headers ?? {}
  t.match(seen, {
    'x-company': tenantId,
    'remote-user': 'lihua',
    'remote-name': encodeURIComponent('李华'),
    'remote-groups': 'user',
    'x-unit': '10000',
    'x-purchase': 'instance-1',
    'x-may': 'full',
    'x-jwt': /^ey/,
    'x-token': /^access-canary/,
  })
  t.notMatch(JSON.stringify(seen), 'evil')
  t.strictSame(Object.keys(seen).filter((name) => name.startsWith('x-identity-')), [])
})

t.test('T-38 the access token goes to routes that ask for it and nowhere else: no other route, no public one, no log; never a client\'s', async (t) => {
  const routes = '[{ path: /api, accessToken: true }, { path: /api/plain, accessToken: false }, { path: /api/open, access: public }]'
  const gateway = await openTestGateway(t, { env: { JOINTGATE_ROUTES: routes, JOINTGATE_LOG_LEVEL: 'trace' } })
  const server = await bindTenant(t, gateway)
  // Renewed after 480 s.
  server.tokenMembers = { expires_in: 600, token_type: 'Bearer' }
  const browser = await signIn(gateway, server)
  const headers = Object.fromEntries(spellingsOf('x-identity-access-token').filter((name) => !/[^\w-]/.test(name)).map((name) => [name, 'evil']))
  /** All values of all spellings that the application gets. */
  async function tokensSeen (path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> {
    const { status } = await browser.open(path, { method, headers })
    t.equal(status, 200, path)
    const seen = Object.entries(gateway.upstream.requests.at(-1)?.headers ?? {})
    t.notMatch(JSON.stringify(seen), 'evil')
    return seen.filter(([name]) => foldHeaderName(name) === 'x-identity-access-token').map(([, value]) => value).join()
  }
  const tokenNow = async () => (await storedSession(gateway, browser.cookieHeader()))?.tokens.accessToken ?? ''

  const first = await tokenNow()
  for (const path of ['/api', '/api/', '/api/reports?x=1']) t.equal(await tokensSeen(path), first, path)
  t.equal(await tokensSeen('/api', 'POST'), first)
  for (const path of ['/', '/apis', '/api/plain', '/api/plain/x', '/api/open', '/api/open/x', '/API', '/reports?x=/api']) t.equal(await tokensSeen(path), '', path)

  gateway.clock.advance(480_000)
  await until(async () => { await browser.open('/api'); return await tokenNow() !== first })
  t.equal(await tokensSeen('/api'), await tokenNow(), 'the renewed one after a renewal')

  gateway.upstream.answer = (request) => { request.socket.destroy() }
  t.equal((await browser.open('/api', { headers })).status, 502)
  t.match(gateway.logLines.join(), 'GW_UPSTREAM_LOST')
  t.notMatch(gateway.logLines.join('\n'), /access-canary|refresh-canary|evil/)
})
