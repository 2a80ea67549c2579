import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import t from 'tap'
import { freePort } from '../support/build-gateway.ts'
import { openRedisServer } from '../support/redis-server.ts'
import { startJointgate } from '../support/run-jointgate.ts'

const password = 'canary7f3a'

function variables (storage: string): Record<string, string> {
  return {
    JOINTGATE_STORAGE: storage,
    JOINTGATE_SECRET_KEYS: randomBytes(32).toString('base64'),
    JOINTGATE_APP_ID: 'app-1',
    JOINTGATE_PUBLIC_URL: 'https://app.example.com',
    JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
    JOINTGATE_MARKETPLACE_KIT_KEYS: 'a-kit-access-key-0123456789',
  }
}

t.test('check asks Redis what a gateway asks at its start: it is safe, or each reason why not, and never a secret (T-38)', async (t) => {
  const safe = await openRedisServer(t)
  const unsafe = await openRedisServer(t, ['--appendfsync', 'everysec', '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'])
  const admin = new Redis({ port: safe.port, host: '127.0.0.1' })
  t.teardown(() => { admin.disconnect() })
  await admin.call('ACL', 'SETUSER', 'gateway', 'on', `>${password}`, '~*', '&*', '+@all')
  const lost = ['appendfsync everysec', 'maxmemory-policy allkeys-lru']
  const at = (port: number, secret = password): string => `redis://gateway:${secret}@127.0.0.1:${port}`
  const cases: Array<[string, Record<string, string>, number, Array<string | RegExp>]> = [
    ['safe', variables(at(safe.port)), 0, ['Storage: Redis answers, and what is acknowledged is safe there.']],
    ['unsafe', variables(unsafe.url), 1, ['could lose what was acknowledged:', ...lost]],
    ['unsafe, and allowed', { ...variables(unsafe.url), JOINTGATE_DANGEROUSLY_ALLOW_LOSS: 'true' }, 0, ['a gateway would start, and warn:', ...lost]],
    ['a wrong password', variables(at(safe.port, `${password}wrong`)), 1, ['cannot be used: WRONGPASS']],
    ['nobody there', variables(at(await freePort())), 1, [/cannot be used: .*ECONNREFUSED/]],
  ]
  await Promise.all(cases.map(async ([name, env, exitCode, texts]) => {
    const start = performance.now()
    const { code, stdout, stderr } = await startJointgate(['check'], env).ended
    t.equal(code, exitCode, `${name}: ${stderr}`)
    t.equal(stderr, '', name)
    for (const text of texts) t.match(stdout, text, name)
    t.notMatch(stdout, password, name)
    // Ten for Redis, the rest for five processes that start at once.
    t.ok(performance.now() - start < 16_000, `${name} is bounded`)
  }))
  t.equal(await admin.dbsize(), 0, 'nothing was written')
})
