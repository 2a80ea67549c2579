import fc from 'fast-check'
import t from 'tap'
import type { Role } from '../../src/directory/model.ts'
import { judgeTarget, pathOf } from '../../src/forward/canonical-path.ts'
import { createRouteTable, type FindRoute, type Route, type RouteRule } from '../../src/forward/route-table.ts'
import { appsThatReadOutside, appsThatReadUnder } from '../support/app-readings.ts'
import { appId, openTestGateway, wireAccount } from '../support/build-gateway.ts'
import {
  alice, requestText, sessionCookie, startGateway, startUpstream, statusOfAnswer, talk, valuesOf,
} from '../support/forward-gateway.ts'
import { droppedNames, emittedNames, spellingsOf } from '../support/header-spellings.ts'
import { hostileTarget } from '../support/hostile-paths.ts'
import { rule, runPathDifferential } from '../support/path-differential.ts'
import { bindTenant, signIn, tenantId } from '../support/signed-in.ts'
import { dialWebSocket, openLiveUpstream } from '../support/web-socket.ts'

const application = [{ origin: 'http://application' }]
const tableOf = (...rules: RouteRule[]): FindRoute => createRouteTable(rules, { upstream: application, timeoutSeconds: 60 })
const adminOnly = rule({ path: '/admin', roles: ['admin'] })
const openPublic = rule({ path: '/public', access: 'public' })

t.test('C-40 without a rule a path is for who is signed in, and of several rules the strictest wins', async (t) => {
  t.match(tableOf()('app', '/'), { access: 'signed-in', roles: undefined, preflight: false, accessToken: false, upstream: application, timeoutSeconds: 60 })
  const find = tableOf(
    openPublic, adminOnly, rule({ path: '/public/inner', access: 'signed-in' }), rule({ path: '/public/gone', access: 'nobody' }),
    rule({ path: '/public/staff', roles: ['admin', 'user'] }), rule({ path: '/public/staff/chief', roles: ['admin'] }),
    rule({ path: '/api', preflight: true, accessToken: true }), rule({ path: '/api/raw', preflight: false }), rule({ path: '/api/old', accessToken: false }),
  )
  for (const [path, access, roles] of [
    ['/', 'signed-in', undefined], ['/other', 'signed-in', undefined], ['/public', 'public', undefined], ['/public/', 'public', undefined],
    ['/public/a.css', 'public', undefined], ['/public/%E6%96%87', 'public', undefined], ['/publications', 'signed-in', undefined], ['/public.css', 'signed-in', undefined],
    ['/Public', 'signed-in', undefined], ['/x/public', 'signed-in', undefined], ['/public/inner/x', 'signed-in', undefined], ['/public/Inner', 'signed-in', undefined],
    ['/public/gone', 'nobody', undefined], ['/public/GONE/x', 'nobody', undefined], ['/public/a%EF%BC%8Fb', 'signed-in', undefined], ['/public/staff', 'signed-in', ['admin', 'user']], ['/public/staff/chief/x', 'signed-in', ['admin']],
    ['/admin', 'signed-in', ['admin']], ['/admin/x', 'signed-in', ['admin']], ['/administer', 'signed-in', undefined], ['/admin-tools', 'signed-in', undefined], ['/x/admin', 'signed-in', undefined],
  ] as const) t.match(find('app', path), { access, roles }, path)
  for (const [path, preflight, accessToken] of [
    ['/api/x', true, true], ['/api/raw/x', false, true], ['/api/Raw', false, true], ['/api/old', true, false], ['/api/%6fld', true, false],
    ['/API/x', false, false], ['/api;x/a', false, false], ['/api/100%25', false, false], ['/', false, false],
  ] as const) t.match(find('app', path), { preflight, accessToken }, path)
})

t.test('where a request goes is said by the nearest rule that says it, one with a host first', async (t) => {
  const [own, files, deep] = ['own', 'files', 'deep'].map((name) => [{ origin: `http://${name}` }])
  const find = tableOf(
    rule({ path: '/', timeoutSeconds: 5 }), rule({ path: '/files', upstream: files, timeoutSeconds: 600 }), rule({ path: '/files/deep', upstream: deep }),
    rule({ host: 'own.example.com', path: '/', upstream: own, access: 'public' }),
  )
  for (const [host, path, upstream, timeoutSeconds] of [
    ['app', '/x', application, 5], ['app', '/files', files, 600], ['app', '/files/deep/x', deep, 600], ['app', '/Files', application, 5],
    ['own.example.com', '/files', own, 600], ['OWN.Example.com.:8080', '/', own, 5], ['own.example.com.evil', '/', application, 5], [undefined, '/', application, 5],
  ] as const) {
    const route = find(host, path)
    t.equal(route.upstream, upstream, `${host} ${path}`)
    t.equal(route.timeoutSeconds, timeoutSeconds, `${host} ${path}`)
    t.equal(route.access, upstream === own ? 'public' : 'signed-in', `${host} ${path}`)
  }
  t.equal(find('app', '/x'), find('app', '/y/z'), 'what says the same is the same')
})

t.test('T-05 every known spelling of a closed path is closed or refused', async (t) => {
  const find = tableOf(rule({ path: '/', access: 'public' }), rule({ path: '/admin/users', roles: ['admin'] }))
  const spellings = [
    '/ADMIN/users', '/Admin/Users/', '/%61dmin/users', '/%41dmin/users', '/%2561dmin/users', '/%252561dmin/users', '/%25252561dmin/users',
    '/admin;x/users', '/admin;jsessionid=1/users;y', '/;/admin/users', '/;a=b/admin/users', '/admin%3bx/users', '/admin/users%3b', '/admin%253bx/users',
    '/admin%252fusers', '/admin%25252fusers', '/admin%255cusers', '/admin/%252fusers', '/%252fadmin/users', '/%5cadmin/users', '/admin\\users', '//admin/users',
    '/admin//users', '/./admin/users', '/x/../admin/users', '/x/%2e%2e/admin/users', '/x/%252e%252e/admin/users', '/x/..;/admin/users', '/x/..%3f/admin/users',
    '/admin/users.json', '/admin/users.', '/admin./users', '/admin/users%20', '/admin%20/users', '/%20admin/users', '/admin/users~', '/admin/users::$DATA',
    '/admin::$INDEX_ALLOCATION/users', '/admin.json/users', '/admin/users%3f', '/admin/users%3fx=/public', '/admin/users%23', '/admin/users%2523x', '/admin/users%00', '/admin/users%2500.png',
    '/%EF%BD%81dmin/users', '/admin%EF%BC%8Fusers', '/admin%EF%BC%BCusers', '/adm%C4%B1n/users', '/adm%C4%B0n/users', '/admin/u%C5%BFers', '/admin/u%73er%C5%BF',
    '/ad%E2%80%8Bmin/users', '/adm%C2%ADin/users', '/admin/users%EF%BB%BF', '/admi%CC%81n/users', '/ad%EF%BF%BDmin/../admin/users', '/admin%E2%84%80/../users',
    '/%2561dmin/users/%25zz', '/%2561dmin/users/100%25', '/%25u0061dmin/users', '/admin%c0%afusers', '/admin/users+', '/admin/users,x', '/admin/users*', '/admin/users!', '/admin/users%0a', '/admin/users%250a',
  ]
  for (const path of spellings) {
    if (judgeTarget(path, '/_gate') === 'ambiguous') continue
    t.match(find('app', path), { access: 'signed-in', roles: ['admin'] }, path)
  }
  const spelledOtherwise = tableOf(rule({ path: '/', access: 'public' }), rule({ path: '/Admin', access: 'nobody' }), rule({ path: '/staff/', access: 'nobody' }))
  for (const path of ['/admin', '/admin/x', '/ADMIN', '/staff', '/staff/x']) t.equal(spelledOtherwise('app', path).access, 'nobody', path)
  for (const path of ['/admin', '/admin/', '/admin/user', '/admin/users-of-mine', '/admin/users2', '/administer/users', '/a/admin/users', '/admin/x/users']) {
    t.match(find('app', path), { access: 'public', roles: undefined }, path)
  }
})

t.test('T-05 no application reads an open path as a closed one, or finds anything outside what a rule opens', async (t) => {
  const find = tableOf(adminOnly, openPublic)
  const kinds = new Map<string, number>()
  fc.assert(fc.property(hostileTarget, (target) => {
    if (judgeTarget(target, '/_gate') !== 'upstream') return
    const path = pathOf(target)
    const route = find('app', path)
    const kind = route.access === 'public' ? 'public' : route.roles === undefined ? 'protected' : 'closed'
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    if (kind !== 'closed') t.strictSame(appsThatReadUnder('/admin', path), [])
    if (kind === 'public') t.strictSame(appsThatReadOutside('/public', path), [])
  }), { numRuns: 10_000 })
  for (const kind of ['public', 'protected', 'closed']) t.ok((kinds.get(kind) ?? 0) > 300, `${kind}: ${kinds.get(kind)}`)
})

const anyPath = fc.constantFrom('/', '/a', '/A', '/a/', '/a/b', '/a/b/c', '/b', '/a.b')
const anyRoles = fc.constantFrom<readonly Role[]>([], ['admin'], ['user'], ['admin', 'user'])
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> => fc.option(value, { nil: undefined })
const anyHost = maybe(fc.constantFrom('one', 'two'))

const anyRule: fc.Arbitrary<RouteRule> = fc.record({
  path: anyPath,
  host: anyHost,
  access: maybe(fc.constantFrom('public', 'signed-in', 'nobody')),
  roles: maybe(anyRoles),
  preflight: maybe(fc.boolean()),
  accessToken: maybe(fc.boolean()),
}).map(rule)
const closingRule: fc.Arbitrary<RouteRule> = fc.record({
  path: anyPath,
  host: anyHost,
  access: maybe(fc.constantFrom('signed-in', 'nobody')),
  roles: maybe(anyRoles),
  preflight: maybe(fc.constant(false)),
  accessToken: maybe(fc.constant(false)),
}).map(rule)
const anyRequest = fc.tuple(anyHost, fc.array(fc.constantFrom('/a', '/A', '/b', '/%61', '/c', '/a;x', '/100%25', '/a.b', '/'), { minLength: 1, maxLength: 4 }))
  .map(([host, parts]) => ({ host, path: parts.join('').replaceAll('//', '/') }))

/** Who comes through, as a set of words. */
function openTo ({ access, roles, preflight, accessToken }: Route): Set<string> {
  const inside = access === 'nobody' ? [] : roles ?? ['admin', 'user']
  return new Set([
    ...inside, ...(access === 'public' ? ['anybody'] : []),
    ...(preflight && access !== 'nobody' ? ['preflight'] : []), ...(accessToken ? ['token'] : []),
  ])
}

t.test('C-40 a rule that closes never opens anything, wherever it stands', async (t) => {
  fc.assert(fc.property(fc.array(anyRule, { maxLength: 6 }), closingRule, fc.nat(6), anyRequest, (rules, closing, at, { host, path }) => {
    const before = openTo(tableOf(...rules)(host, path))
    const after = openTo(tableOf(...rules.slice(0, at), closing, ...rules.slice(at))(host, path))
    return [...after].every((who) => before.has(who))
  }), { numRuns: 3_000 })
  t.pass()
})

t.test('C-40 a rule that opens never opens what another one closes, in whatever spelling', async (t) => {
  const opening = fc.array(fc.tuple(anyPath, anyHost).map(([path, host]) => rule({ path, host, access: 'public', preflight: true, accessToken: true })), { maxLength: 5 })
  fc.assert(fc.property(opening, anyPath, fc.nat(5), anyRequest, (rules, path, at, request) => {
    const closing = rule({ path, roles: ['admin'], preflight: false, accessToken: false })
    const isClosed = tableOf(closing)(request.host, request.path).roles !== undefined
    const route = tableOf(...rules.slice(0, at), closing, ...rules.slice(at))(request.host, request.path)
    return !isClosed || [...openTo(route)].join() === 'admin'
  }), { numRuns: 3_000 })
  t.pass()
})

t.test('T-19 an empty list of roles lets nobody in, and so do two lists that have nobody in common', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstream: upstream.url,
    routes: [
      rule({ path: '/empty', roles: [] }), rule({ path: '/both', roles: ['user'] }), rule({ path: '/both/chief', roles: ['admin'] }), rule({ path: '/gone', access: 'nobody' }),
    ],
  })
  gateway.sessions.set('chief', { ...alice, role: 'admin' })
  const asChief = { cookie: sessionCookie.replace('good', 'chief') }
  for (const [target, user, admin] of [['/empty', 403, 403], ['/both', 200, 403], ['/both/chief', 403, 403], ['/gone', 404, 404], ['/', 200, 200]] as const) {
    t.equal(statusOfAnswer(await talk(gateway.port, requestText(target))), user, target)
    t.equal(statusOfAnswer(await talk(gateway.port, requestText(target, asChief))), admin, target)
  }
  t.equal(upstream.seen.length, 3)
})

/** What is open, closed and gone for the tests through HTTP. */
const routes = [openPublic, adminOnly, rule({ path: '/gone', access: 'nobody' }), rule({ path: '/api', preflight: true })]

t.test('T-01 T-02 T-04 no header and no query decides: a path stays closed whatever a client says of it', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url, routes })
  const problems: string[] = []
  const names = ['uri', 'url', 'prefix', 'path', 'method', 'host', 'proto', 'for', 'port', 'server'].map((name) => `x-forwarded-${name}`)
  const headers = [
    ...[
      ...names, 'x-original-url', 'x-original-uri', 'x-original-method', 'x-rewrite-url', 'x-envoy-original-path', 'x-http-method-override', 'x-real-ip', 'referer', 'origin',
    ].flatMap((name) => ['/public/', 'https://app.example.com/public/', 'OPTIONS', '127.0.0.1', 'localhost'].map((value) => `${name}: ${value}`)),
    'forwarded: for=127.0.0.1;host=localhost;proto=https;path=/public/',
    ...['kube-probe/1.30', 'GoogleHC/1.0', 'ELB-HealthChecker/2.0', 'Envoy/HC', 'Prometheus/3', 'curl/8', 'Googlebot/2.1', ''].map((agent) => `user-agent: ${agent}`),
  ]
  const targets = ['/', '/other', '/admin', '/admin?x=/public/', '/other?/public/', '/other?/../public/', '/?path=/public', '/other?_method=OPTIONS', '/other;/public/', '/other%3f/public/']
  for (const header of [...headers, 'x-nothing: 1']) {
    for (const [target, cookie, expected] of [
      ...targets.map((target) => [target, '', 401] as const), ['/admin', sessionCookie, 403] as const, ['/gone', sessionCookie, 404] as const,
    ]) {
      const status = statusOfAnswer(await talk(gateway.port, requestText(target, { headers: [header], cookie })))
      if (status !== expected) problems.push(`${target} ${header}: ${status}`)
    }
  }
  t.strictSame(problems, [])
  t.equal(upstream.seen.length, 0, 'T-33: the application has seen nothing')
  t.equal(statusOfAnswer(await talk(gateway.port, requestText('/public/?x=/admin', { cookie: '', headers }))), 200, 'nor is a public path closed by them')
})

t.test('T-03 T-23 what cuts the path elsewhere is refused, and the upstream\'s host never changes', async (t) => {
  const upstream = await startUpstream(t)
  const sentinel = await startUpstream(t)
  const files = await startUpstream(t)
  const evil = sentinel.url.host
  const gateway = await startGateway(t, {
    upstream: upstream.url,
    routes: [
      ...routes, rule({ path: '/files', upstream: [{ origin: files.url.origin }], access: 'public' }), rule({ path: '/', host: 'files.example.com', upstream: [{ origin: files.url.origin }] }),
    ],
  })
  for (const target of [
    '/public%23/../admin', '/admin#/public', '/public/#/../admin', '/public%23', `//${evil}/public/`, `http://${evil}/public/`, `/public/..%2f${evil}/`, `/files/\\${evil}`,
    `/public//${evil}/`, `/public/http://${evil}/`, `/files/..//${evil}`, `/files/%2f%2f${evil}/`, `@${evil}/public/`, '/public/../admin', '/public/%2e%2e/admin', '/public/..;/admin',
  ]) t.equal(statusOfAnswer(await talk(gateway.port, requestText(target, { cookie: '' }))), 400, target)
  t.equal(upstream.seen.length + files.seen.length, 0)
  for (const target of [`/public/@${evil}/`, `/files/@${evil}/`, `/public/http:${evil}`, `/files?url=http://${evil}/`, `/files/http:%252f%252f${evil}`]) {
    t.ok([200, 401].includes(statusOfAnswer(await talk(gateway.port, requestText(target, { cookie: '', headers: [`x-forwarded-host: ${evil}`, `x-host: ${evil}`] })))), target)
  }
  for (const host of [evil, `files.example.com@${evil}`, `files.example.com.${evil}`, '[::1]', 'localhost']) {
    await talk(gateway.port, requestText('/public/').replace('host: app.example.com', `host: ${host}`))
  }
  t.equal(sentinel.seen.length, 0)
  for (const { url, seen } of [upstream, files]) {
    t.ok(seen.length > 0)
    for (const { rawHeaders } of seen) t.strictSame(valuesOf(rawHeaders, 'host'), [url.host])
  }
})

t.test('T-33 every method and path that is turned away brings nothing to any upstream, body and all', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url, routes })
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY']) {
    for (const [target, cookie, status] of [
      ['/', '', 401], ['/admin', '', 401], ['/admin/x.json', sessionCookie, 403], ['/ADMIN', sessionCookie, 403], ['/gone', '', 404], ['/gone/x', sessionCookie, 404],
      ['/public/%2e%2e/', sessionCookie, 400], ['/public/100%25', '', 401], ['/publications', '', 401], ['/api/x', '', 401],
    ] as const) {
      const body = method === 'GET' || method === 'HEAD' ? '' : 'body'
      t.equal(statusOfAnswer(await talk(gateway.port, requestText(target, { method, cookie, body }))), status, `${method} ${target}`)
    }
  }
  t.equal(upstream.seen.length, 0)
})

t.test('T-08 C-36 a public path gets no identity from anybody: not from a client, not from a session', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url, routes: [...routes, rule({ path: '/public/token', access: 'public' }), rule({ path: '/', accessToken: true })] })
  const headers = [...emittedNames, ...droppedNames, 'x-identity-access-token'].flatMap((name) => spellingsOf(name).map((spelling) => `${spelling}: evil`))
  const cookies = `${sessionCookie}; theirs=1; __Host-jointgate-flow-a1=f; __Host-jointgate-lang=en`
  const problems: string[] = []
  for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'PROPFIND']) {
    for (const target of ['/public', '/public/a', '/public/token', '/public/missing']) {
      for (let at = 0; at < headers.length; at += 60) {
        await talk(gateway.port, requestText(target, { method, headers: headers.slice(at, at + 60), cookie: cookies }))
        const { rawHeaders } = upstream.seen.pop() ?? { rawHeaders: ['nothing', 'seen'] }
        const text = rawHeaders.join('\n')
        if (/evil|x-identity|jointgate|nothing/i.test(text) || valuesOf(rawHeaders, 'cookie').join() !== 'theirs=1') problems.push(`${method} ${target}: ${text}`)
      }
    }
  }
  t.strictSame(problems, [])
  await talk(gateway.port, requestText('/public/a', { headers: ['connection: close, x-forwarded-for'], cookie: '' }))
  t.strictSame(valuesOf(upstream.seen[0]?.rawHeaders ?? [], 'x-forwarded-for'), ['127.0.0.1'])
})

t.test('T-08 T-36 a WebSocket on a public path: no identity, none of our cookies, and the Origin list all the same', async (t) => {
  const upstream = await openLiveUpstream(t)
  const gateway = await startGateway(t, { upstream: new URL(upstream.url), routes })
  const url = `http://127.0.0.1:${gateway.port}`
  const dial = (target: string, origin = 'https://app.example.com') => dialWebSocket(url, {
    target, origin, cookie: `${sessionCookie}; theirs=1`, headers: emittedNames.flatMap((name) => spellingsOf(name).slice(0, 5).map((spelling) => `${spelling}: evil`)),
  })
  const socket = await dial('/public/live')
  t.equal(socket.status, 101)
  const [handshake = []] = upstream.handshakes
  t.notMatch(handshake.join('\n'), /evil|x-identity|jointgate/i)
  t.strictSame(valuesOf(handshake, 'cookie'), ['theirs=1'])
  socket.send('hello')
  t.equal((await socket.next()).payload.toString(), 'hello')
  socket.socket.destroy()
  for (const [target, origin, status] of [
    ['/public/live', 'https://evil.example', 403], ['/admin/live', undefined, 403], ['/gone', undefined, 404], ['/public/../live', undefined, 400],
  ] as const) t.equal((await dial(target, origin)).status, status, target)
  t.equal(upstream.handshakes.length, 1)
})

t.test('C-50 a browser\'s preflight passes where a rule lets it, without identity and without a body', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url, routes: [...routes, rule({ path: '/api/admin', roles: ['admin'] }), rule({ path: '/api/raw', preflight: false }), rule({ path: '/api/gone', access: 'nobody' })] })
  const preflight = ['origin: https://shop.example.com', 'access-control-request-method: PUT', 'access-control-request-headers: x-a']
  const ask = async (target: string, { method = 'OPTIONS', headers = preflight, cookie = '', body = '' } = {}): Promise<number> =>
    statusOfAnswer(await talk(gateway.port, requestText(target, { method, headers, cookie, body })))
  t.equal(await ask('/api/x', { headers: [...preflight, 'x-identity-user: evil', 'X_Identity_Role: admin', 'x-forwarded-for: 6.6.6.6', 'content-length: 0'] }), 200)
  t.equal(await ask('/api/admin/x'), 200, 'a role says who may come, a preflight says nothing of anybody')
  for (const { rawHeaders, method, body } of upstream.seen) {
    t.strictSame([method, body], ['OPTIONS', ''])
    t.notMatch(rawHeaders.join('\n'), /x.identity|cookie|6\.6\.6\.6/i)
    t.strictSame(valuesOf(rawHeaders, 'access-control-request-method'), ['PUT'])
  }
  upstream.seen.length = 0
  for (const [target, status] of [
    ['/', 401], ['/other', 401], ['/admin', 401], ['/apis', 401], ['/API/x', 401], ['/api;x', 401], ['/api/%2561', 401], ['/api/raw/x', 401], ['/api/RAW', 401], ['/api/gone', 404], ['/api/..%2f', 400],
  ] as const) t.equal(await ask(target), status, target)
  for (const what of [
    { method: 'GET' }, { method: 'POST' }, { method: 'HEAD' }, { headers: preflight.slice(0, 1) }, { headers: preflight.slice(1) }, { cookie: 'theirs=1' }, { cookie: '__Host-jointgate=dead' },
    { body: 'x' }, { headers: [...preflight, 'authorization: Basic eDp5'] }, { headers: [...preflight, 'x-http-method-override: PUT'] }, { headers: [...preflight, 'X_HTTP_Method: PUT'] },
    { headers: [...preflight, 'x-method-override: PUT'] }, { headers: [...preflight, 'transfer-encoding: chunked'], body: '' }, { headers: [...preflight, 'content-type: text/xml'] },
  ]) t.equal(await ask('/api/x', what), 401, JSON.stringify(what))
  t.equal(upstream.seen.length, 0)
  t.equal(await ask('/api/x', { cookie: sessionCookie }), 200)
  t.equal(valuesOf(upstream.seen[0]?.rawHeaders ?? [], 'x-identity-user').length, 1, 'with a session it is a request like any other')
})

t.test('C-10 the access token goes where a rule says so, and nowhere else', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url, routes: [rule({ path: '/api', accessToken: true }), rule({ path: '/api/old', accessToken: false }), rule({ path: '/api/open', access: 'public' })] })
  for (const [target, tokens] of [['/', []], ['/api/x', ['token']], ['/api/old', []], ['/api/OLD', []], ['/api/open', []], ['/apis', []], ['/api/100%25', []]] as const) {
    await talk(gateway.port, requestText(target, { headers: ['x-identity-access-token: evil', 'X_Identity_Access_Token: evil'] }))
    t.strictSame(valuesOf(upstream.seen.pop()?.rawHeaders ?? [], 'x-identity-access-token'), tokens, target)
  }
})

t.test('T-05 C-39 hostile paths through sockets: what the rule saw is what the upstream saw, and nobody gets past a rule', async (t) => {
  const seed = Math.trunc(Math.random() * 0x7fffffff)
  const { counts, problems } = await runPathDifferential(t, 3_000, seed)
  t.strictSame(problems.slice(0, 20), [], `seed ${seed}`)
  for (const outcome of ['400', '401', '403', '404', 'forwarded for a user', 'forwarded for anybody']) t.ok((counts[outcome] ?? 0) > 20, `${outcome}: ${counts[outcome]}`)
})

const gatewayRoutes = `
- { path: /admin, roles: [admin] }
- { path: /assets, access: public }
- { path: /internal, access: nobody }
`

t.test('T-19 through a whole gateway: a role that a push gives or takes counts at the next request', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_ROUTES: gatewayRoutes } })
  const server = await bindTenant(t, gateway)
  const push = async (role: string): Promise<void> => {
    const userList = [wireAccount({ userName: 'lihua', name: '李华', role })]
    t.equal((await gateway.push('authSync', { tenantId, appId, flag: 2, userList })).resultCode, '000000')
  }
  const seen = (): string[] => gateway.upstream.requests.splice(0).map(({ target, headers }) => `${target} ${String(headers['x-identity-role'])}`)
  let browser = await signIn(gateway, server)
  t.match(await browser.open('/admin/users'), { status: 403, body: /role-missing/ })
  t.match(await browser.fetch('/Admin/users'), { status: 403, body: /"reason":"role-missing"/ })
  t.equal((await browser.open('/')).status, 200, 'who lacks a role stays signed in')
  t.strictSame(seen(), ['/ user'])

  await push('admin')
  t.match(await browser.open('/admin/users'), { status: 303, location: /because=role-changed/ }, 'other rights are for a new session')
  browser = await signIn(gateway, server)
  t.equal((await browser.open('/admin/users')).status, 200)
  t.strictSame(seen(), ['/admin/users admin'])

  await push('user')
  t.match(await browser.fetch('/admin/users'), { status: 401 })
  browser = await signIn(gateway, server)
  t.equal((await browser.fetch('/admin/users')).status, 403)
  t.strictSame(seen(), [])
})

t.test('C-40 T-08 T-33 through a whole gateway: public without a session and without an identity, nobody\'s as if it were not there', async (t) => {
  const gateway = await openTestGateway(t, { env: { JOINTGATE_ROUTES: gatewayRoutes } })
  const server = await bindTenant(t, gateway)
  const inside = await signIn(gateway, server)
  for (const browser of [inside, gateway.browser()]) {
    t.equal((await browser.open('/assets/app.css')).status, 200)
    const { headers } = gateway.upstream.requests.pop() ?? t.fail('the application has seen nothing') as never
    t.notMatch(JSON.stringify(headers), /x-identity|jointgate/)
    for (const address of ['/internal', '/internal/x', '/INTERNAL']) {
      t.match(await browser.open(address), { status: 404, body: /GW_REQUEST_NOT_FOUND/ })
      t.match(await browser.fetch(address), { status: 404, body: /GW_REQUEST_NOT_FOUND/ })
    }
  }
  const stranger = gateway.browser()
  t.match(await stranger.open('/admin'), { status: 303, location: '/_gate/sign-in?return_to=%2Fadmin' }, 'who isn\'t known is asked first')
  t.match(await stranger.open('/Assets/app.css'), { status: 303 })
  t.equal((await stranger.fetch('/admin')).status, 401)
  t.equal(gateway.upstream.requests.length, 0)
})
