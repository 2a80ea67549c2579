import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { describeRoutes } from '../../src/commands/describe-routes.ts'
import { describeSettings } from '../../src/commands/describe-settings.ts'
import { loadConfig, type Config } from '../../src/config/load-config.ts'

function load (env: Record<string, string>): Config {
  const mandatory = {
    JOINTGATE_SECRET_KEYS: randomBytes(32).toString('base64'),
    JOINTGATE_APP_ID: 'app-1',
    JOINTGATE_PUBLIC_URL: 'https://app.example.com',
    JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
  }
  const loaded = loadConfig({ env: { ...mandatory, ...env }, cwd: '/srv', readFile: () => '' })
  if (loaded.kind === 'invalid') throw new Error(loaded.complaints.join('\n'))
  return loaded.config
}

const settingsOf = (env: Record<string, string>): Record<string, string> => Object.fromEntries(describeSettings(load(env)))
const routesOf = (routes: string, env: Record<string, string> = {}): string[] => describeRoutes(load({ ...env, JOINTGATE_ROUTES: routes })).map((line) => line.replaceAll(/ {2,}/g, ' | '))

t.test('each rule tells who may come to its path and where it leads, the nearest first', async (t) => {
  t.strictSame(routesOf(`
    - { path: /assets, access: public }
    - { path: /admin, roles: [admin] }
    - { path: /metrics, access: nobody }
    - { path: /empty, roles: [] }
    - { path: /api, preflight: true, accessToken: true, timeoutSeconds: 300 }
    - { path: /files, upstream: 'http://127.0.0.1:3001, unix:/run/files.sock' }
    - { path: /, host: status.example.com, upstream: 'http://127.0.0.1:3005', access: public }
  `), [
    'routes[6] | status.example.com/ | public | to http://127.0.0.1:3005 | within 60 s',
    'routes[2] | /metrics | nobody',
    'routes[0] | /assets | public | to http://127.0.0.1:3000 | within 60 s',
    'routes[1] | /admin | role admin | to http://127.0.0.1:3000 | within 60 s',
    'routes[3] | /empty | nobody',
    'routes[5] | /files | signed-in | to http://127.0.0.1:3001, unix:/run/files.sock | within 60 s',
    'routes[4] | /api | signed-in | to http://127.0.0.1:3000 | within 300 s | preflights pass, gets the access token',
    'no rule | every other path | signed-in | to http://127.0.0.1:3000 | within 60 s',
  ])
})

t.test('what a rule says and a stricter one takes back is told as it is', async (t) => {
  t.strictSame(routesOf('[{ path: /admin, roles: [admin, user] }, { path: /admin/help, access: public }]', { JOINTGATE_UPSTREAM_TIMEOUT_SECONDS: '7' }), [
    'routes[1] | /admin/help | role admin, user | to http://127.0.0.1:3000 | within 7 s',
    'routes[0] | /admin | role admin, user | to http://127.0.0.1:3000 | within 7 s',
    'no rule | every other path | signed-in | to http://127.0.0.1:3000 | within 7 s',
  ])
})

t.test('without rules there is one line, and none is left over when a rule is about everything', async (t) => {
  t.strictSame(routesOf(''), ['no rule | every path | signed-in | to http://127.0.0.1:3000 | within 60 s'])
  t.strictSame(routesOf('[{ path: /, access: public }]'), ['routes[0] | / | public | to http://127.0.0.1:3000 | within 60 s'])
})

t.test('the usual settings are told as what they mean', async (t) => {
  t.match(settingsOf({}), {
    TLS: /^off/,
    workers: '1',
    'trusted proxies': /^none/,
    'forward auth': 'off',
    balance: 'round-robin',
    'health path': /^none/,
    'identity headers': 'x-identity-…',
    'stateless callback': /^marker: /,
  })
})

t.test('settings that matter for safety are told, and no secret with them (T-38)', async (t) => {
  const certificate = readFileSync(new URL('../fixtures/tls/localhost.pem', import.meta.url), 'utf8')
  const key = readFileSync(new URL('../fixtures/tls/server-key.pem', import.meta.url), 'utf8')
  const settings = settingsOf({
    JOINTGATE_TLS_CERTIFICATE: certificate,
    JOINTGATE_TLS_KEY: key,
    JOINTGATE_WORKERS: '4',
    JOINTGATE_TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::1',
    JOINTGATE_FORWARD_AUTH_CALLERS: '10.0.0.9',
    JOINTGATE_SIGN_IN_STATELESS_CALLBACK: 'confirm',
    JOINTGATE_IDENTITY_USER_HEADER: 'Remote-User',
    JOINTGATE_IDENTITY_ACCESS_TOKEN_HEADER: 'x-token',
    JOINTGATE_UPSTREAM_BALANCE: 'least-connections',
    JOINTGATE_UPSTREAM_HEALTH_PATH: '/healthz?key=canary',
    JOINTGATE_UPSTREAM_HEALTH_INTERVAL_SECONDS: '9',
  })
  t.match(settings, {
    TLS: /^on, HTTP\/2 too: certificate for DNS:localhost.*, valid until \d{4}-/,
    workers: '4',
    'trusted proxies': '10.0.0.0/8, 2001:db8::1',
    'forward auth': '/_gate/verify answers 10.0.0.9',
    'stateless callback': /^confirm: /,
    'identity headers': 'x-identity-…, but user: remote-user, accessToken: x-token',
    balance: 'least-connections',
    'health path': '/healthz, every 9 s',
  })
  t.notMatch(Object.values(settings).join('\n'), /canary|PRIVATE KEY/)
  t.notOk(Object.values(settings).some((text) => text.includes(key.split('\n')[1] ?? '')))
})
