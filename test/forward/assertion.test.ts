import fc from 'fast-check'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTVerifyResult } from 'jose'
import t from 'tap'
import { identityHeaders } from '../../src/base/header-names.ts'
import type { Principal, TenantId, UserName } from '../../src/directory/model.ts'
import { subjectOf } from '../../src/forward/assertion.ts'
import { IdentityCache } from '../../src/forward/identity-cache.ts'
import { loadSigningKeys } from '../../src/forward/signing-keys.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { alice, MemoryKeyStore, requestText, startGateway, startUpstream, talk, valuesOf, type ForwardGateway, type RecordingUpstream } from '../support/forward-gateway.ts'
import { ManualClock } from '../support/manual-clock.ts'

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
  const identities = new IdentityCache({ keys, publicUrl: new URL('https://app.example.com'), clock })
  const [a, b, c] = await Promise.all(['one', 'one', 'two'].map((ref) => identities.headersFor(ref as SessionRef, alice)))
  t.equal(a, b)
  t.not(a?.at(-1), c?.at(-1))
})

t.test('a failed signature is not remembered', async (t) => {
  const clock = new ManualClock()
  const keys = await loadSigningKeys(new MemoryKeyStore(), clock)
  const identities = new IdentityCache({ keys, publicUrl: new URL('https://app.example.com'), clock })
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
  t.equal(String((await keyStore.list())[0]?.privateJwk), '[secret]')

  const shared = new MemoryKeyStore()
  const clock = new ManualClock()
  const starting = await Promise.all([1, 2, 3].map(() => loadSigningKeys(shared, clock)))
  t.equal(new Set(starting.map(({ kid }) => kid)).size, 1)
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
