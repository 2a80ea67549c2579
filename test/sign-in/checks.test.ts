import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { Secret } from '../../src/base/secret.ts'
import type { AccessView } from '../../src/directory/access-view.ts'
import type { AppId, PushVersion, TenantId, UserName } from '../../src/directory/model.ts'
import type { FlowRef, LoginFlow, LoginFlowStore, PendingConfirmation } from '../../src/session/login-flow.ts'
import type { Session } from '../../src/session/session.ts'
import type { AuthorizationServer, CodeGrant, TokenAnswer, UserinfoAnswer } from '../../src/sign-in/authorization-server.ts'
import { decideAccount } from '../../src/sign-in/checks/decide-account.ts'
import { exchangeCode } from '../../src/sign-in/checks/exchange-code.ts'
import { fetchUserinfo, matchTenant } from '../../src/sign-in/checks/fetch-userinfo.ts'
import { findClient } from '../../src/sign-in/checks/find-client.ts'
import { findFlow } from '../../src/sign-in/checks/find-flow.ts'
import { findTenant, matchIssuer } from '../../src/sign-in/checks/find-tenant.ts'
import { readParameters } from '../../src/sign-in/checks/read-parameters.ts'
import { restartStateless } from '../../src/sign-in/checks/restart-stateless.ts'
import { spendCode, spendFlow } from '../../src/sign-in/checks/spend-code.ts'
import { finishLogin, type FinishLoginDeps } from '../../src/sign-in/finish-login.ts'
import { flowRefOf, stateOf } from '../../src/sign-in/flow-cookies.ts'
import { found, type LoginAttempt } from '../../src/sign-in/login-attempt.ts'
import { startAuthorizeLogin, startUnifiedLogin } from '../../src/sign-in/start-login.ts'
import type { SignInSettings } from '../../src/sign-in/settings.ts'
import { openLmdbStorage } from '../../src/storage/lmdb/open-lmdb-storage.ts'
import { contractRules } from '../support/instance-pushes.ts'
import { ManualClock } from '../support/manual-clock.ts'

const appId = 'app-1' as AppId
const tenantId = 'tenant-1' as TenantId
const otherTenantId = 'tenant-2' as TenantId
const server = 'https://sso.tenant-1.example'
const secret = 'a'.repeat(43)
const cookieHeader = `theirs=1; __Host-jointgate-flow-tab1=${secret}`
const tokens = { accessToken: 'access', refreshToken: 'refresh', expiresAt: 9e12 }
const row = { version: '20250101080000000' as PushVersion, isDeleted: false, lastLoss: '' as const, instanceId: 'instance-1' as never }
const account = {
  ...row, userName: 'lihua' as UserName, name: '李华', departmentCode: '10', role: 'user' as const, isEnabled: true, isAuthorised: true, details: {},
}
const view: AccessView = {
  tenantId,
  appId,
  tenants: [{ ...row, name: '晨曦', tenantCode: 'sunrise', orderId: 'order-1', authorizationServer: server }],
  bindings: [{ ...row, clientId: 'client-1', clientSecret: new Secret('client-secret') }],
  accounts: [account],
  instances: [],
}
const empty: AccessView = { tenantId, appId, tenants: [], bindings: [], accounts: [], instances: [] }
const client = { authorizationServer: server, clientId: 'client-1', clientSecret: new Secret('client-secret') }

interface World {
  settings: SignInSettings
  view: AccessView
  tokenAnswer: TokenAnswer
  userinfoAnswer: UserinfoAnswer
  readonly flows: Map<FlowRef, LoginFlow>
  readonly confirmations: PendingConfirmation[]
  readonly sessions: Session[]
  readonly spentCodes: Set<string>
  readonly clock: ManualClock
  /** Every call of a port, in order. */
  readonly trace: string[]
  readonly deps: FinishLoginDeps
}

/** A world in which the login works, unless a test breaks it; its ports are maps that write down who asked. */
function createWorld (): World {
  const clock = new ManualClock()
  const trace: string[] = []
  const world = {
    clock,
    trace,
    settings: {
      appId,
      publicUrl: new URL('https://app.example'),
      ownPrefix: '/_gate',
      unifiedLoginUrl: 'https://marketplace.example/#/login',
      direct: false,
      statelessCallback: 'marker',
      pkce: 'off',
      redirectUri: 'as-registered',
    } as SignInSettings,
    view,
    tokenAnswer: { kind: 'tokens', tokens } as TokenAnswer,
    userinfoAnswer: { kind: 'userinfo', userinfo: { userName: 'lihua' as UserName, tenantId } } as UserinfoAnswer,
    flows: new Map<FlowRef, LoginFlow>(),
    confirmations: [] as PendingConfirmation[],
    sessions: [] as Session[],
    spentCodes: new Set<string>(),
  }
  const flows: LoginFlowStore = {
    saveFlow: async (flow) => { world.flows.set(flow.ref, flow) },
    findFlow: async (ref) => note('findFlow', world.flows.get(ref)),
    consumeFlow: async (ref) => {
      const flow = world.flows.get(ref)
      world.flows.delete(ref)
      return note('consumeFlow', flow)
    },
    saveConfirmation: async (confirmation) => { note('saveConfirmation', world.confirmations.push(confirmation)) },
    findConfirmation: async () => undefined,
    consumeConfirmation: async () => undefined,
    claimCode: async (digest) => note('claimCode', !world.spentCodes.has(digest) && world.spentCodes.add(digest).has(digest)),
    isClaimed: async (digest) => world.spentCodes.has(digest),
    sweep: async () => 0,
  }
  const authorizationServer: AuthorizationServer = {
    exchangeCode: async (asked, grant) => {
      lastExchange.push({ clientId: asked.clientId, server: asked.authorizationServer, ...grant })
      return note('exchangeCode', world.tokenAnswer)
    },
    refresh: async () => { throw new Error('no login renews') },
    fetchUserinfo: async (_client, accessToken) => note(`fetchUserinfo ${accessToken}`, world.userinfoAnswer),
    authorizationUrl: (asked, wanted) => `${asked.authorizationServer}/authorize?${new URLSearchParams({ ...wanted }).toString()}`,
  }
  const deps: FinishLoginDeps = {
    flows,
    authorizationServer,
    clock,
    contract: contractRules,
    get settings () { return world.settings },
    limits: { idleTimeoutSeconds: 3600, absoluteTimeoutSeconds: 43_200, renewalGraceSeconds: 300, parallelLimit: 10 },
    onDisplaced: () => {},
    directory: {
      viewTenant: async () => note('viewTenant', { ...world.view, accounts: [] }),
      viewAccess: async (_realm, _tenant, _app, userName) => {
        const accounts = world.view.accounts.filter((one) => one.userName === userName)
        return note('viewAccess', { ...world.view, accounts })
      },
    },
    sessions: {
      create: async (session) => { note('createSession', world.sessions.push(session)) },
      find: async () => undefined,
      end: async () => true,
      async * list () {},
    },
  }
  function note<Value> (call: string, value: Value): Value {
    trace.push(call)
    return value
  }
  return Object.assign(world, { deps })
}

let lastExchange: (CodeGrant & { clientId: string, server: string })[] = []
t.beforeEach(() => { lastExchange = [] })

function flowOf (kind: LoginFlow['kind'], { clock }: World, more: Partial<LoginFlow> = {}): LoginFlow {
  const now = clock.now()
  const tenant = kind === 'authorize' ? { tenantId } : {}
  return { ref: flowRefOf(secret), kind, appId, returnTo: '/reports', startedAt: now, expiresAt: now + 600_000, ...tenant, ...more }
}

const heldOf = (flow: LoginFlow) => ({ cookieName: '__Host-jointgate-flow-tab1', secret, flow })
const attemptOf = (more: Partial<LoginAttempt>): LoginAttempt => ({ query: {}, cookieHeader, ...more })

t.test('readParameters: each at most once, plain text, and a word on whose login it is (T-40)', async (t) => {
  const read = async (query: unknown) => {
    const result = await readParameters(attemptOf({ query }), createWorld().deps)
    return result.kind === 'passed' ? result.found : result.kind === 'refused' ? result.reason : result.kind
  }
  t.same(await read({ code: 'c', tenant: 't' }), { code: 'c', claimedTenantId: 't' })
  t.same(await read({ code: 'c', state: 's' }), { code: 'c', state: 's' })
  t.same(await read({ code: 'c', tenant: 't', state: 's', iss: 'i', more: ['x', 'y'] }), { code: 'c', claimedTenantId: 't', state: 's', issuer: 'i' })
  t.same(await read({ code: 'c'.repeat(2048), tenant: 't'.repeat(64) }), { code: 'c'.repeat(2048), claimedTenantId: 't'.repeat(64) })
  const malformed = [
    undefined, null, 'code=c', [], {}, { code: 'c' }, { tenant: 't' }, { state: 's' }, { code: ['c', 'c'], tenant: 't' }, { code: 'c', tenant: ['t'] },
    { code: 'c', tenant: 't', state: ['s', 's'] }, { code: 'c', tenant: 't', iss: ['i', 'i'] }, { code: 'c', tenant: 't', error: ['e', 'e'] }, { code: '', tenant: 't' },
    { code: 'c', tenant: '' }, { code: 'c'.repeat(2049), tenant: 't' }, { code: 'c', tenant: 't'.repeat(65) }, { code: { c: 1 }, tenant: 't' }, { code: 1, tenant: 't' },
  ]
  for (const query of malformed) t.equal(await read(query), 'callback-malformed', JSON.stringify(query)?.slice(0, 60))
  for (const query of [{ error: 'access_denied' }, { error: 'access_denied', code: 'c', tenant: 't' }]) t.equal(await read(query), 'authorization-denied')
  const denied = (error: string) => readParameters(attemptOf({ query: { error } }), createWorld().deps)
  t.match(await denied('login_required'), { detail: { error: 'login_required' } })
  t.notMatch(await denied('<script>'), { detail: {} }, 'a word of another kind is not even logged')
})

t.test('findFlow: with state exactly that flow, without it the newest by the marketplace\'s page (T-11)', async (t) => {
  const world = createWorld()
  const second = 'b'.repeat(43)
  const third = 'c'.repeat(43)
  const both = `${cookieHeader}; __Host-jointgate-flow-tab2=${second}; __Host-jointgate-flow-tab3=${third}`
  const older = flowOf('unified', world)
  const newer = flowOf('unified', world, { ref: flowRefOf(second), startedAt: older.startedAt + 1 })
  const own = flowOf('authorize', world, { ref: flowRefOf(third), startedAt: older.startedAt + 2 })
  for (const flow of [older, newer, own]) await world.deps.flows.saveFlow(flow)
  const find = async (header: string | undefined, state?: string) => {
    const result = await findFlow(attemptOf({ cookieHeader: header, ...(state === undefined ? {} : { state }) }), world.deps)
    return result.kind === 'passed' ? result.found.held?.flow : result.kind === 'refused' ? result.reason : result.kind
  }
  t.same(await find(both), newer)
  t.same(await find(cookieHeader), older)
  t.equal(await find(undefined), undefined)
  t.equal(await find(`__Host-jointgate-flow-tab3=${third}`), undefined, 'our own request would have brought its state')
  t.same(await find(both, stateOf(third)), own)
  t.same(await find(both, stateOf(secret)), older)
  t.equal(await find(cookieHeader, stateOf(third)), 'flow-unknown', 'of another browser')
  t.equal(await find(both, secret), 'flow-unknown', 'the cookie is no state')
  t.equal(await find(undefined, stateOf('')), 'flow-unknown')
  t.equal(await find(`${cookieHeader}; __Host-jointgate-flow-tab1=${second}`), undefined, 'two cookies of one name: neither (C-32)')
  world.clock.advance(600_000)
  t.equal(await find(both, stateOf(third)), 'flow-expired')
  t.equal(await find(both), undefined)
})

t.test('findTenant: known by a push, open, and no other than was asked for (T-43)', async (t) => {
  const world = createWorld()
  const find = async (more: Partial<LoginAttempt>) => {
    const result = await findTenant(attemptOf(more), world.deps)
    return result.kind === 'passed' ? result.found.tenantId : result.kind === 'refused' ? result.reason : result.kind
  }
  const held = heldOf(flowOf('authorize', world))
  t.equal(await find({ claimedTenantId: tenantId }), tenantId)
  t.equal(await find({ held }), tenantId, 'the flow knows it')
  t.equal(await find({ held, claimedTenantId: tenantId }), tenantId)
  t.equal(await find({ held, claimedTenantId: otherTenantId }), 'tenant-mismatch')
  t.equal(await find({ held: heldOf(flowOf('unified', world)) }), 'callback-malformed', 'nobody says whose it is')
  world.view = empty
  t.equal(await find({ claimedTenantId: tenantId }), 'tenant-unknown')
  world.view = { ...view, tenants: view.tenants.map((tenant) => ({ ...tenant, isDeleted: true })) }
  t.equal(await find({ claimedTenantId: tenantId }), 'tenant-closed')
})

t.test('matchIssuer: an iss that comes must be the server of this login (RFC 9207)', async (t) => {
  const { deps } = createWorld()
  const match = async (issuer?: string) => (await matchIssuer(attemptOf({ view, ...(issuer === undefined ? {} : { issuer }) }), deps)).kind
  t.equal(await match(), 'passed')
  t.equal(await match(server), 'passed')
  for (const other of [`${server}/`, 'https://sso.tenant-2.example', server.toUpperCase(), '']) t.equal(await match(other), 'refused', other)
})

t.test('findClient: the newest binding that was not taken away', async (t) => {
  const { deps } = createWorld()
  const find = async (bindings: AccessView['bindings']) => {
    const result = await findClient(attemptOf({ view: { ...view, bindings } }), deps)
    return result.kind === 'passed' ? [result.found.client?.clientId, result.found.client?.authorizationServer] : result.kind === 'refused' && result.reason
  }
  const [binding] = view.bindings
  if (binding === undefined) return
  const newer = { ...binding, clientId: 'client-2', version: '20250202080000000' as PushVersion }
  t.same(await find([binding]), ['client-1', server])
  t.same(await find([binding, newer]), ['client-2', server])
  t.same(await find([newer, binding]), ['client-2', server])
  t.same(await find([binding, { ...newer, isDeleted: true, clientSecret: undefined }]), ['client-1', server])
  t.equal(await find([]), 'binding-missing')
  t.equal(await find([{ ...binding, isDeleted: true }]), 'binding-missing')
  t.equal(await find([{ ...binding, clientSecret: undefined }]), 'binding-missing')
})

t.test('restartStateless: every code without our state, only where so configured, once (C-4, T-11 b)', async (t) => {
  const world = createWorld()
  const stateless = attemptOf({ cookieHeader: undefined, tenantId, client })
  const ours = { ...stateless, held: heldOf(flowOf('unified', world)) }
  const proven = { ...stateless, held: heldOf(flowOf('authorize', world)) }
  for (const statelessCallback of ['marker', 'confirm'] as const) {
    world.settings = { ...world.settings, statelessCallback }
    for (const attempt of [stateless, ours, proven]) t.equal((await restartStateless(attempt, world.deps)).kind, 'passed', statelessCallback)
  }
  world.settings = { ...world.settings, statelessCallback: 'restart' }
  t.equal((await restartStateless(proven, world.deps)).kind, 'passed', 'its state was ours')

  await world.deps.flows.saveFlow(ours.held.flow)
  const marked = await restartStateless(ours, world.deps)
  t.match(marked, { kind: 'restart', started: { spentCookies: [ours.held.cookieName] } })
  t.match([...world.flows.values()], [{ kind: 'authorize', returnTo: '/reports' }], 'the marker is spent, where it led is kept')

  for (const [other, kind] of [[tenantId, 'passed'], [otherTenantId, 'restart']] as const) {
    const pending = heldOf(flowOf('authorize', world, { tenantId: other }))
    const again = await restartStateless({ ...stateless, heldFlows: [pending] }, world.deps)
    t.match(again, { kind }, `a request of ours at ${other} has not come back`)
    if (again.kind === 'passed') t.equal(again.found.lostRestart, pending.flow)
  }
  world.flows.clear()
  const result = await restartStateless(stateless, world.deps)
  t.equal(result.kind, 'restart')
  if (result.kind !== 'restart') return
  const { location, cookie } = result.started
  t.match(cookie, { name: /^__Host-jointgate-flow-[\w-]{8}$/, value: /^[\w-]{43}$/ })
  t.equal(new URL(location).searchParams.get('state'), stateOf(cookie.value))
  t.equal(new URL(location).searchParams.get('redirectUri'), 'https://app.example/_gate/callback')
  t.match([...world.flows.values()], [{ kind: 'authorize', tenantId, returnTo: '/', expiresAt: world.clock.now() + 600_000 }])
})

t.test('PKCE: a fresh S256 challenge for each of our own requests, where so configured, and no other kind (C-3, RFC 7636)', async (t) => {
  const world = createWorld()
  const start = async (pkce: 'off' | 'S256') => {
    world.settings = { ...world.settings, pkce }
    world.flows.clear()
    const { location } = await startAuthorizeLogin(world.deps, { returnTo: '/', cookieHeader: undefined, tenantId, client })
    const [flow] = world.flows.values()
    return { challenge: new URL(location).searchParams.get('codeChallenge'), verifier: flow?.codeVerifier ?? '' }
  }
  t.same(await start('off'), { challenge: null, verifier: '' })
  const [first, second] = [await start('S256'), await start('S256')]
  for (const { challenge, verifier } of [first, second]) {
    t.match(verifier, /^[A-Za-z0-9\-._~]{43,128}$/)
    t.equal(challenge, createHash('sha256').update(verifier).digest('base64url'))
  }
  t.not(first.verifier, second.verifier)
  const marker = await startUnifiedLogin(world.deps, { returnTo: '/', cookieHeader: undefined })
  t.notMatch(marker.location, 'challenge', 'the unified login page gets none')
})

t.test('spendCode and spendFlow: each once (C-2, C-7)', async (t) => {
  const world = createWorld()
  const attempt = attemptOf({ tenantId, code: 'c' })
  t.equal((await spendCode(attempt, world.deps)).kind, 'passed')
  t.match(await spendCode(attempt, world.deps), { reason: 'code-reused' })
  t.equal((await spendCode({ ...attempt, tenantId: otherTenantId }, world.deps)).kind, 'passed', 'a code is one tenant\'s')
  t.notOk([...world.spentCodes].some((digest) => digest.includes('c"')), 'remembered by its digest')
  const flow = flowOf('unified', world)
  await world.deps.flows.saveFlow(flow)
  t.equal((await spendFlow({ ...attempt, held: heldOf(flow) }, world.deps)).kind, 'passed')
  t.match(await spendFlow({ ...attempt, held: heldOf(flow) }, world.deps), { reason: 'flow-unknown' })
  t.equal((await spendFlow(attempt, world.deps)).kind, 'passed', 'a login that is not ours has none')
})

t.test('exchangeCode: at the tenant\'s server, with the redirect_uri that belongs there (RFC 6749 §4.1.3, C-5)', async (t) => {
  const world = createWorld()
  const attempt = attemptOf({ tenantId, code: 'c', client })
  const cases = [
    ['as-registered', undefined, 'https://app.example/_gate/callback'],
    ['with-tenant', 'unified', 'https://app.example/_gate/callback?tenant=tenant-1'],
    ['omit', 'unified', undefined],
    ['omit', 'authorize', 'https://app.example/_gate/callback'],
    ['with-tenant', 'authorize', 'https://app.example/_gate/callback'],
  ] as const
  for (const [redirectUri, kind, sent] of cases) {
    world.settings = { ...world.settings, redirectUri }
    const result = await exchangeCode(kind === undefined ? attempt : { ...attempt, held: heldOf(flowOf(kind, world)) }, world.deps)
    t.same(result, { kind: 'passed', found: { tokens } })
    t.same(lastExchange.at(-1), { clientId: 'client-1', server, code: 'c', redirectUri: sent, codeVerifier: undefined }, `${redirectUri} ${kind}`)
  }
  await exchangeCode({ ...attempt, held: heldOf(flowOf('authorize', world, { codeVerifier: 'v' })) }, world.deps)
  t.equal(lastExchange.at(-1)?.codeVerifier, 'v', 'RFC 7636 §4.5')
  world.tokenAnswer = { kind: 'refused', detail: { status: 400, error: 'invalid_grant' } }
  t.same(await exchangeCode(attempt, world.deps), { kind: 'refused', reason: 'code-refused', detail: { status: 400, error: 'invalid_grant' } })
  world.tokenAnswer = { kind: 'unavailable', detail: { status: 502 }, mayHaveActed: true }
  t.same(await exchangeCode(attempt, world.deps), { kind: 'refused', reason: 'marketplace-unavailable', detail: { status: 502 } })
})

t.test('fetchUserinfo and matchTenant: who it is, and of this tenant (T-43, Q5)', async (t) => {
  const world = createWorld()
  const attempt = attemptOf({ tenantId, client, tokens })
  t.match(await fetchUserinfo(attempt, world.deps), { kind: 'passed', found: { userinfo: { userName: 'lihua' } } })
  t.same(world.trace, ['fetchUserinfo access'])
  world.userinfoAnswer = { kind: 'unnamed' }
  t.match(await fetchUserinfo(attempt, world.deps), { reason: 'account-unnamed' })
  world.userinfoAnswer = { kind: 'refused', detail: { status: 401 } }
  t.match(await fetchUserinfo(attempt, world.deps), { reason: 'code-refused', detail: { status: 401 } })
  world.userinfoAnswer = { kind: 'unavailable', detail: {}, mayHaveActed: false }
  t.match(await fetchUserinfo(attempt, world.deps), { reason: 'marketplace-unavailable' })

  const match = (named: TenantId | undefined) => matchTenant({ ...attempt, userinfo: { userName: 'lihua' as UserName, tenantId: named } }, world.deps)
  t.match(await match(tenantId), { kind: 'passed' })
  t.match(await match(undefined), { kind: 'passed' })
  t.match(await match(otherTenantId), { reason: 'tenant-mismatch' })
})

t.test('decideAccount: the pushes decide, by tenant and exact name (login.md §8, Q19)', async (t) => {
  const world = createWorld()
  const decide = async (userName = 'lihua') => {
    const result = await decideAccount(attemptOf({ tenantId, userinfo: { userName: userName as UserName, tenantId } }), world.deps)
    return result.kind === 'passed' ? result.found.principal?.name : result.kind === 'refused' ? result.reason : result.kind
  }
  t.equal(await decide(), '李华')
  t.equal(await decide('LiHua'), 'account-not-authorised')
  const changes: [Partial<typeof account>, string][] = [
    [{ isEnabled: false }, 'account-disabled'],
    [{ isAuthorised: false, lastLoss: row.version as never }, 'authorisation-withdrawn'],
    [{ isDeleted: true, lastLoss: row.version as never }, 'authorisation-withdrawn'],
  ]
  for (const [change, reason] of changes) {
    world.view = { ...view, accounts: [{ ...account, ...change }] }
    t.equal(await decide(), reason)
  }
  // Between the first look and this one a push may have come.
  world.view = { ...view, bindings: [] }
  t.equal(await decide(), 'binding-missing')
  world.view = empty
  t.equal(await decide(), 'tenant-unknown')
})

t.test('the table runs in the documented order: nothing goes out before exchangeCode, nobody is in before the end', async (t) => {
  const world = createWorld()
  await world.deps.flows.saveFlow(flowOf('unified', world))
  const outcome = await finishLogin(world.deps, { query: { code: 'c', tenant: tenantId }, cookieHeader })
  t.match(outcome, { kind: 'signed-in', returnTo: '/reports', sessionId: /^[\w-]{43}$/ })
  t.same(world.trace, [
    'findFlow', 'viewTenant', 'claimCode', 'consumeFlow', 'exchangeCode', 'fetchUserinfo access', 'viewAccess', 'createSession',
  ])
  t.match(world.sessions, [{ tenantId, userName: 'lihua', clientId: 'client-1', tokens, returnTo: undefined }])
})

t.test('of several things that are wrong the first in the table is told, and the checks behind it never run', async (t) => {
  const world = createWorld()
  const closed = (change: Partial<AccessView>) => () => { world.view = { ...view, accounts: [], ...change } }
  let query: Record<string, unknown> = {}
  let header = cookieHeader
  // Everything is broken; each step mends what was told and expects the next in the table.
  world.view = empty
  world.tokenAnswer = { kind: 'refused', detail: {} }
  world.userinfoAnswer = { kind: 'unnamed' }
  const steps: [reason: string, mend: () => unknown][] = [
    ['callback-malformed', () => { query = { code: 'c', tenant: otherTenantId, iss: 'https://other.example', state: 'foreign' } }],
    ['flow-unknown', () => { delete query['state'] }],
    ['tenant-unknown', closed({ bindings: [] })],
    ['tenant-mismatch', () => { query['iss'] = server }],
    ['binding-missing', closed({})],
    ['code-refused', () => undefined],
    ['code-reused', () => { query['code'] = 'd'; world.tokenAnswer = { kind: 'tokens', tokens } }],
    ['account-unnamed', () => {
      query['code'] = 'e'
      world.userinfoAnswer = { kind: 'userinfo', userinfo: { userName: 'lihua' as UserName, tenantId } }
    }],
    ['tenant-mismatch', () => { query = { ...query, code: 'f', tenant: tenantId } }],
    ['account-not-authorised', () => { query['code'] = 'g'; world.view = view; header = '' }],
  ]
  for (const [reason, mend] of steps) {
    world.trace.length = 0
    const outcome = await finishLogin(world.deps, { query, cookieHeader: header })
    t.match(outcome, { kind: 'refused', reason })
    const isAsked = ['code-refused', 'account-unnamed', 'account-not-authorised'].includes(reason) || (reason === 'tenant-mismatch' && query['code'] === 'e')
    t.equal(world.trace.includes('exchangeCode'), isAsked, `${reason}: ${isAsked ? 'after' : 'before'} the exchange`)
    t.same(world.sessions, [])
    mend()
  }
  t.match(await finishLogin(world.deps, { query, cookieHeader: header }), { kind: 'confirm' }, 'no flow: a question, no session')
  t.match(world.confirmations, [{ principal: { userName: 'lihua' }, returnTo: '/', expiresAt: world.clock.now() + 300_000 }])
  t.same(world.sessions, [])
})

t.test('T-11, C-7: of two gateways on one store that get one code and one flow at once, one sends it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-checks-'))
  const world = createWorld()
  const storage = openLmdbStorage(folder, new SealedBox([Buffer.alloc(32, 1)]), world.clock)
  t.teardown(async () => {
    await storage.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await storage.flows.saveFlow(flowOf('unified', world))
  const gateways = [1, 2].map((): FinishLoginDeps => Object.create(world.deps, { flows: { value: storage.flows, enumerable: true } }))
  const outcomes = await Promise.all(gateways.map((deps) => finishLogin(deps, { query: { code: 'c', tenant: tenantId }, cookieHeader })))
  t.same(outcomes.map(({ kind }) => kind).sort(), ['refused', 'signed-in'])
  t.match(outcomes.find(({ kind }) => kind === 'refused'), { reason: 'code-reused' })
  t.equal(lastExchange.length, 1)
})

t.test('a check that runs before the one that finds what it needs is a fault of the table, no refusal', async (t) => {
  t.throws(() => found(attemptOf({}), 'client'), { message: /"client"/ })
  const { deps } = createWorld()
  for (const check of [matchIssuer, findClient, spendCode, exchangeCode, fetchUserinfo, matchTenant, decideAccount]) {
    await t.rejects(check(attemptOf({}), deps), TypeError)
  }
})
