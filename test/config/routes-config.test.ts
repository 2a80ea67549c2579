import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { loadConfig, type LoadedConfig } from '../../src/config/load-config.ts'
import { configWarnings } from '../../src/config/warnings.ts'

const mandatory = {
  JOINTGATE_SECRET_KEYS: randomBytes(32).toString('base64'),
  JOINTGATE_APP_ID: 'app-1',
  JOINTGATE_PUBLIC_URL: 'https://app.example.com',
  JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
}

function load (env: Record<string, string>, file = ''): LoadedConfig {
  return loadConfig({ env: { ...mandatory, JOINTGATE_CONFIG: '/jointgate.yaml', ...env }, cwd: '/srv', readFile: () => file })
}

const ruleKeys = ['host', 'access', 'roles', 'preflight', 'upstream', 'timeoutSeconds', 'accessToken']

/** In the variable and, indented, in the file: both must say the same. */
function complaints (t: Test, routes: string): readonly string[] {
  const [byVariable, byFile] = [load({ JOINTGATE_ROUTES: routes }), load({}, `routes: ${routes}`)]
    .map((loaded) => loaded.kind === 'invalid' ? loaded.complaints : [])
  t.strictSame(byFile, byVariable)
  return byVariable ?? []
}

function warnings (routes: string): string[] {
  const loaded = load({ JOINTGATE_ROUTES: routes })
  if (loaded.kind === 'invalid') throw new Error(loaded.complaints.join('\n'))
  return configWarnings(loaded.config).filter((warning) => warning.startsWith('routes'))
}

t.test('rules are a YAML list in the file and YAML text in the variable, which wins', async (t) => {
  const text = `
- path: /admin
  roles: admin
- path: /api
  preflight: true
  accessToken: false
  timeoutSeconds: 300
  upstream: http://127.0.0.1:3001, unix:/run/api.sock
- { path: /, host: Files.Example.com, access: public, upstream: 'https://files.internal' }
`
  const unsaid = Object.fromEntries(ruleKeys.map((key) => [key, undefined]))
  const rules = [
    { ...unsaid, path: '/admin', roles: ['admin'] },
    {
      ...unsaid,
      path: '/api',
      preflight: true,
      accessToken: false,
      timeoutSeconds: 300,
      upstream: [{ origin: 'http://127.0.0.1:3001' }, { origin: 'http://localhost', socketPath: '/run/api.sock' }],
    },
    { ...unsaid, path: '/', host: 'files.example.com', access: 'public', upstream: [{ origin: 'https://files.internal' }] },
  ]
  const byFile = load({}, `routes:\n${text.replaceAll(/^/gm, '  ')}`)
  t.strictSame(byFile.kind === 'ok' && byFile.config.routes, rules)
  const byVariable = load({ JOINTGATE_ROUTES: text }, 'routes: [{ path: /other, access: nobody }]')
  t.strictSame(byVariable.kind === 'ok' && byVariable.config.routes, rules)
  for (const nothing of ['', '[]', '\n', '# none\n']) t.match(load({ JOINTGATE_ROUTES: nothing }), { kind: 'ok', config: { routes: [] } }, nothing)
  t.match(load({ JOINTGATE_ROUTES: '[{ path: /a, roles: [] }, { path: /b, roles: "" }]' }), { config: { routes: [{ roles: [] }, { roles: [] }] } }, 'T-19: an empty list stays one')
})

t.test('what is wrong with a rule is said with its index and key, all at once', async (t) => {
  const list = 'routes (JOINTGATE_ROUTES): must be a list of rules, in a variable as YAML: [{ path: /admin, roles: [admin] }]'
  for (const noList of ['hello', '{ path: /a, access: public }', '3']) t.strictSame(complaints(t, noList), [list], noList)
  for (const broken of ['[', '[{ path: /a }', 'a: [', '[{ path: /a, path: /b, access: public }]']) {
    const loaded = load({ JOINTGATE_ROUTES: broken })
    t.strictSame(loaded.kind === 'invalid' && loaded.complaints, [list], broken)
  }
  t.strictSame(complaints(t, `[
    { path: '/a*', acess: public }, 3, { access: public },
    { path: /b, access: everybody, roles: [admin, root], preflight: 1, timeoutSeconds: 0, upstream: 'example.com', accessToken: 'yes', host: 'a:80' },
    { path: /c, roles: null }
  ]`), [
    'routes[0].path (JOINTGATE_ROUTES): must be a literal path such as /admin, which stands for all that is under it: no "%", "?", "*", ":name" or dot segment',
    'routes[0].acess (JOINTGATE_ROUTES): there is no such key; did you mean access?',
    'routes[1] (JOINTGATE_ROUTES): must be a rule, such as { path: /admin, roles: [admin] }',
    'routes[2].path (JOINTGATE_ROUTES): is missing',
    'routes[3].host (JOINTGATE_ROUTES): must be a host name without a port, such as api.example.com',
    'routes[3].access (JOINTGATE_ROUTES): must be one of signed-in, public, nobody',
    'routes[3].roles (JOINTGATE_ROUTES): must be a list of roles: admin, user',
    'routes[3].preflight (JOINTGATE_ROUTES): must be true or false',
    'routes[3].upstream (JOINTGATE_ROUTES): must be a comma list of origins without path or query, such as http://127.0.0.1:3000, or unix:/run/app.sock',
    'routes[3].timeoutSeconds (JOINTGATE_ROUTES): must be a whole number from 1 to 86400',
    'routes[3].accessToken (JOINTGATE_ROUTES): must be true or false',
    'routes[4].roles (JOINTGATE_ROUTES): must be a list of roles: admin, user',
  ])
  t.notMatch(complaints(t, '[{ path: /%canary, roles: canary, canary }]').filter((line) => !line.includes('no such key')).join(), 'canary', 'no value is repeated')
})

t.test('a path is literal: what looks like a pattern or has a second spelling is refused', async (t) => {
  for (const path of [
    '', 'admin', '//', '//a', '/a//b', '/a/*', '/*', '/a**', '/:id', '/users/:id/x', '/a?x', '/a#x', '/%61', '/a%2fb', '/a;x', '/a\\b', '/a b', '/文', '/é', '^/admin', '/admin$', '/admin/.+', '/(a|b)',
    '/.', '/..', '/a/../b', '/a/.', '/a/..', '/[a]', '/{id}', '/a\tb', `/${'a'.repeat(1_024)}`, `/${'a'.repeat(60)}%`,
  ]) t.match(complaints(t, JSON.stringify([{ path, access: 'nobody' }])), [/^routes\[0\]\.path \(JOINTGATE_ROUTES\): must be a literal path/], path)
  for (const path of ['/', '/a', '/a/', '/a/b', '/.well-known', '/a.b/c', '/v1/users:batch', '/~me', '/a-b_c', '/@me', '/a=1,b&c', '/...', '/..a']) {
    t.strictSame(complaints(t, JSON.stringify([{ path, access: 'nobody' }])), [], path)
  }
})

t.test('rules that contradict themselves or repeat another are refused', async (t) => {
  t.strictSame(complaints(t, `[
    { path: /a }, { path: /b, access: public, roles: [admin] }, { path: /c, access: public, roles: [], accessToken: true }, { path: /d, access: nobody, roles: [admin], preflight: true },
    { path: /e, access: public, accessToken: false, preflight: true, timeoutSeconds: 5 }, { path: /e, preflight: true }, { path: /e/, preflight: true }
  ]`), [
    'routes[0] (JOINTGATE_ROUTES): says nothing of its path: add one of access, roles, preflight, upstream, timeoutSeconds, accessToken',
    'routes[1].access (JOINTGATE_ROUTES): must not be public beside roles, which is for who is signed in',
    'routes[2].access (JOINTGATE_ROUTES): must not be public beside roles, which is for who is signed in',
    'routes[2].access (JOINTGATE_ROUTES): must not be public beside accessToken, which is for who is signed in',
    'routes[3].access (JOINTGATE_ROUTES): must not be nobody beside roles, preflight: whom nobody reaches needs none',
    'routes[5].path (JOINTGATE_ROUTES): must not be that of routes[4] again: put the two together',
  ])
})

t.test('a host alone opens and closes nothing: such a rule needs servers that no other name leads to', async (t) => {
  const [own, other] = ["upstream: 'http://127.0.0.1:3001'", "upstream: 'http://127.0.0.1:3002'"]
  for (const [bad, ...indexes] of [
    ['[{ path: /, host: h.example, access: public }]', 0],
    ['[{ path: /admin, host: h.example, roles: [admin] }]', 0],
    ['[{ path: /, host: app.example.com, access: nobody }]', 0],
    ['[{ path: /, host: h.example, preflight: true }, { path: /a, host: h.example, accessToken: true }]', 0, 1],
    ["[{ path: /, host: h.example, access: public, upstream: 'http://127.0.0.1:3000' }]", 0],
    ["[{ path: /, host: h.example, access: public, upstream: 'http://127.0.0.1:3001, http://127.0.0.1:3000' }]", 0],
    [`[{ path: /, host: h.example, access: public, ${own} }, { path: /x, ${own} }]`, 0],
    [`[{ path: /, host: h.example, access: public, ${own} }, { path: /, host: g.example, ${own} }]`, 0],
    [`[{ path: /a, host: h.example, ${own} }, { path: /, host: h.example, roles: [admin] }, { path: /a/b, host: h.example, access: public }]`, 1],
    [`[{ path: /, host: h.example, access: public, ${own} }, { path: /x, host: h.example, upstream: 'http://127.0.0.1:3000' }]`, 0],
    [`[{ path: /ab, host: h.example, ${own} }, { path: /abc, host: h.example, access: public }]`, 1],
  ] as const) {
    t.match(complaints(t, bad), indexes.map((index) => new RegExp(`^routes\\[${index}\\]\\.host \\(JOINTGATE_ROUTES\\): must have servers of its own`)), bad)
    t.equal(complaints(t, bad).length, indexes.length, bad)
  }
  for (const good of [
    `[{ path: /, host: h.example, access: public, ${own} }]`, `[{ path: /, host: h.example, ${own} }, { path: /a, host: h.example, access: public }]`,
    `[{ path: /, host: h.example, access: public, ${own} }, { path: /, host: g.example, roles: [admin], ${other} }, { path: /x, ${other.replace('3002', '3003')} }]`,
    "[{ path: /, host: h.example, upstream: 'http://127.0.0.1:3000' }]", '[{ path: /, host: h.example, timeoutSeconds: 5 }]', `[{ path: /a/, host: h.example, ${own} }, { path: /a/b, host: h.example, access: public }]`,
  ]) t.strictSame(complaints(t, good), [], good)
})

t.test('rules that do nothing, or hardly what is meant, are warned of', async (t) => {
  const own = "upstream: 'http://127.0.0.1:3001'"
  for (const [routes, ...expected] of [
    ['[{ path: /admin, roles: [admin] }, { path: /public, access: public }, { path: /api, preflight: true, accessToken: true }]'],
    ['[{ path: /, access: signed-in }, { path: /public, access: public }]', 'routes[1] (/public) opens it to everybody, but routes[0] is stricter and wins.'],
    ['[{ path: /public/x, access: public }, { path: /z, timeoutSeconds: 5 }, { path: /Public, roles: [admin] }]', 'routes[0] (/public/x) opens it to everybody, but routes[2] is stricter and wins.'],
    ['[{ path: /a, access: nobody }, { path: /a/b, roles: [admin] }, { path: /a/c, timeoutSeconds: 5 }]',
      'routes[1] (/a/b) is for somebody, but routes[0] is stricter and wins.', 'routes[2] (/a/c) is for somebody, but routes[0] is stricter and wins.'],
    ['[{ path: /a, roles: [admin] }, { path: /a/b, roles: [admin, user] }]', 'routes[1] (/a/b) names roles for it, but routes[0] is stricter and wins.'],
    ['[{ path: /a, preflight: false, accessToken: false }, { path: /a/b, preflight: true }, { path: /a/c, accessToken: true }]',
      'routes[1] (/a/b) lets preflights pass, but routes[0] is stricter and wins.', 'routes[2] (/a/c) passes on the access token, but routes[0] is stricter and wins.'],
    ['[{ path: /a, roles: [] }]', 'routes[0] (/a) has an empty list of roles: nobody may come. If that is meant, write access: nobody.'],
    ['[{ path: /a, roles: [user] }]', 'routes[0] (/a) is for the role user alone: administrators are kept out. Write [admin, user] for both.'],
    ['[{ path: /, access: public }]', 'routes[0] (/) opens the whole application: what is not closed by another rule is open to everybody.'],
    ['[{ path: /_gate/sign-in, access: public }, { path: /_gates, access: public }]', 'routes[0] (/_gate/sign-in) is about the gateway\'s own addresses, which no rule reaches.'],
    [`[{ path: /, host: h.example, ${own} }]`, 'routes[0] (h.example/): sessions belong to app.example.com, so at another host only public paths answer, and this one has none.'],
    [`[{ path: /, host: h.example, ${own} }, { path: /a, host: h.example, access: public }, { path: /, host: app.example.com, timeoutSeconds: 9 }]`],
  ] as const) t.strictSame(warnings(routes), expected, routes)
})

t.test('the examples of the manual are good, and none is warned of', async (t) => {
  const manual = readFileSync(new URL('../../docs/routes.md', import.meta.url), 'utf8')
  const examples = [...manual.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = '']) => yaml)
  t.equal(examples.length, 2)
  for (const yaml of examples) {
    const loaded = load({}, yaml)
    t.match(loaded, { kind: 'ok' })
    t.strictSame(loaded.kind === 'ok' && configWarnings(loaded.config).filter((warning) => warning.startsWith('routes')), [])
  }
  const [, inVariable = ''] = /`(\[\{.*\}\])`/.exec(manual) ?? []
  t.strictSame(warnings(inVariable), [])
})
