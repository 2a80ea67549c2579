import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { loadConfig, type LoadedConfig } from '../../src/config/load-config.ts'
import { configWarnings } from '../../src/config/warnings.ts'
import { listSettings } from '../../src/config/settings.ts'

const sealingKey = randomBytes(32).toString('base64')
const mandatory = {
  JOINTGATE_SECRET_KEYS: sealingKey,
  JOINTGATE_APP_ID: 'app-1',
  JOINTGATE_PUBLIC_URL: 'https://app.example.com',
  JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
}

function load (env: Record<string, string>, files: Record<string, string> = {}): LoadedConfig {
  return loadConfig({
    env,
    cwd: '/srv',
    readFile: (path) => {
      const text = files[path]
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      return text
    },
  })
}

function loadGood (env: Record<string, string>, files?: Record<string, string>) {
  const loaded = load({ ...mandatory, ...env }, files)
  if (loaded.kind === 'invalid') throw new Error(loaded.complaints.join('\n'))
  return loaded.config
}

function complaints (env: Record<string, string>, files?: Record<string, string>): readonly string[] {
  const loaded = load(env, files)
  return loaded.kind === 'invalid' ? loaded.complaints : []
}

const rsaPem = (bits: number) => generateKeyPairSync('rsa', {
  modulusLength: bits, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).privateKey

t.test('four variables are enough, and the defaults are those of the contract', async (t) => {
  const config = loadGood({})
  t.match(config, {
    listen: { public: { host: '127.0.0.1', port: 8080 }, operator: { host: '127.0.0.1', port: 8081 } },
    storage: { kind: 'lmdb', directory: '/srv/data' },
    application: { id: 'app-1', name: 'app.example.com', publicUrl: 'https://app.example.com', upstream: [{ origin: 'http://127.0.0.1:3000' }], upstreamTimeoutSeconds: 60, prefix: '/_gate' },
    marketplace: { kitKeys: [], productionKeys: [], privateKeys: [], unifiedLoginUrl: 'https://macroverse.huaweicloud.com/unified-login/#/portal-login', tenantDomains: [] },
    signIn: { direct: false, statelessCallback: 'marker', pkce: 'off', redirectUri: 'as-registered', scope: 'get_user_info', clientAuthentication: 'body' },
    session: { idleTimeoutSeconds: 3600, absoluteTimeoutSeconds: 43200, renewalGraceSeconds: 900 },
    contract: {
      graceDays: 1,
      grace: 'full',
      expired: 'renew',
      frozen: 'renew',
      released: 'refuse',
      renewUrl: 'https://account.huaweicloud.com/usercenter/#/userindex/renewalManagement',
    },
    provisioning: { url: undefined, secrets: [] },
    orderQuery: { accessKeyId: undefined, secretAccessKey: undefined, url: 'https://mkt.myhuaweicloud.com/' },
    retention: { erasureDays: 30, pushLogDays: 30, pushLogMegabytes: 256 },
    log: { level: 'info' },
    dangerouslyAllowHttp: false,
  })
  t.equal(config.secretKeys[0]?.reveal(), sealingKey)
})

t.test('the config is frozen to its leaves', async (t) => {
  const config = loadGood({ JOINTGATE_MARKETPLACE_TENANT_DOMAINS: 'a.example' })
  const { listen, marketplace, secretKeys } = config
  for (const part of [config, listen, listen.public, marketplace, marketplace.tenantDomains, secretKeys]) {
    t.ok(Object.isFrozen(part))
  }
})

t.test('all complaints come at once, each with the key and the variable', async (t) => {
  t.same(complaints({ JOINTGATE_LISTEN: 'everywhere', JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '1h', JOINTGATE_DANGEROUSLY_ALLOW_HTTP: 'yes' }), [
    'listen.public (JOINTGATE_LISTEN): must be an address and a port such as 127.0.0.1:8080 or [::1]:8080',
    'secretKeys (JOINTGATE_SECRET_KEYS): is missing',
    'application.id (JOINTGATE_APP_ID): is missing',
    'application.publicUrl (JOINTGATE_PUBLIC_URL): is missing',
    'application.upstream (JOINTGATE_UPSTREAM): is missing',
    'session.idleTimeoutSeconds (JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS): must be a whole number from 1 to 86400',
    'dangerouslyAllowHttp (JOINTGATE_DANGEROUSLY_ALLOW_HTTP): must be true or false',
  ])
})

t.test('the file holds nested keys, numbers and lists; variables win over it', async (t) => {
  const file = `
listen: { public: "0.0.0.0:9000" }
application:
  id: from-file
  name: 订单系统
session:
  idleTimeoutSeconds: 600
marketplace:
  tenantDomains: [ one.example, "*.Two.example" ]
dangerouslyAllowHttp: false
`
  const { JOINTGATE_APP_ID: _, ...env } = mandatory
  const loaded = load({ ...env, JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '700' }, { '/srv/jointgate.yaml': file })
  t.match(loaded, {
    config: {
      listen: { public: { host: '0.0.0.0', port: 9000 } },
      application: { id: 'from-file', name: '订单系统' },
      session: { idleTimeoutSeconds: 700 },
      marketplace: { tenantDomains: ['one.example', 'two.example'] },
    },
  })
  t.match(load({ ...mandatory, JOINTGATE_CONFIG: 'etc/other.yaml' }, { '/srv/etc/other.yaml': 'log: { level: debug }' }), { config: { log: { level: 'debug' } } })
})

t.test('a misspelt key or variable is a complaint that names the nearest one', async (t) => {
  t.same(complaints({ ...mandatory, JOINTGATE_UPSTRAEM: 'http://x' }), ['JOINTGATE_UPSTRAEM: there is no such variable; did you mean JOINTGATE_UPSTREAM?'])
  t.same(complaints({ ...mandatory, JOINTGATE_QUUX_FILE: '/x' }).length, 1)
  t.same(complaints(mandatory, { '/srv/jointgate.yaml': 'session: { idleTimeout: 5 }\nzzz: 1' }), [
    'session.idleTimeout: there is no such key; did you mean session.idleTimeoutSeconds?',
    'zzz: there is no such key',
  ])
  t.same(complaints(mandatory, { '/srv/jointgate.yaml': '__proto__: { polluted: true }' }), ['__proto__: there is no such key'])
})

t.test('the links that Kubernetes sets for a Service named jointgate are no misspelt variables', async (t) => {
  const links = ['PORT', 'SERVICE_HOST', 'SERVICE_PORT', 'SERVICE_PORT_HTTP', 'PORT_8080_TCP', 'PORT_8080_TCP_ADDR', 'OPERATOR_SERVICE_HOST', 'OPERATOR_PORT_8081_TCP']
  t.same(complaints({ ...mandatory, ...Object.fromEntries(links.map((name) => [`JOINTGATE_${name}`, 'tcp://10.0.0.1:80'])) }), [])
})

t.test('NAME_FILE reads the value from a file for every variable', async (t) => {
  const { JOINTGATE_SECRET_KEYS: _, ...env } = mandatory
  const config = load({ ...env, JOINTGATE_SECRET_KEYS_FILE: '/run/keys' }, { '/run/keys': `${sealingKey}\n` })
  t.equal(config.kind === 'ok' && config.config.secretKeys[0]?.reveal(), sealingKey)
  t.same(complaints({ ...mandatory, JOINTGATE_SECRET_KEYS_FILE: '/run/keys' }, { '/run/keys': sealingKey }),
    ['JOINTGATE_SECRET_KEYS and JOINTGATE_SECRET_KEYS_FILE are both set: keep one'])
  t.match(complaints({ ...mandatory, JOINTGATE_MARKETPLACE_KIT_KEYS_FILE: '/run/none' }), ['JOINTGATE_MARKETPLACE_KIT_KEYS_FILE: cannot read /run/none (ENOENT)'])
  for (const { variable } of listSettings()) {
    t.match(complaints({ [`${variable}_FILE`]: '/run/none' }), new RegExp(`${variable}_FILE: cannot read`), `${variable}_FILE is known`)
  }
})

t.test('an empty variable counts as not set', async (t) => {
  t.equal(loadGood({ JOINTGATE_LISTEN: '', JOINTGATE_MARKETPLACE_KIT_KEYS_FILE: '' }).listen.public.port, 8080)
  t.same(complaints({ ...mandatory, JOINTGATE_APP_ID: '' }), ['application.id (JOINTGATE_APP_ID): is missing'])
})

t.test('a file that is named must be there, be YAML and hold keys', async (t) => {
  const named = { ...mandatory, JOINTGATE_CONFIG: 'c.yaml' }
  t.same(complaints(named), ['cannot read the config file /srv/c.yaml (ENOENT)'])
  t.same(complaints(named, { '/srv/c.yaml': 'a: b\n  - canary: [' }).every((line) => /c\.yaml line \d+: not YAML \([A-Z_]+\)$/.test(line)), true)
  for (const text of ['- a', 'text', '5', 'a: &x 1\nb: *x']) {
    t.same(complaints(named, { '/srv/c.yaml': text }), ['/srv/c.yaml: must hold keys and values, without aliases'], text)
  }
  t.same(complaints(named, { '/srv/c.yaml': 'marketplace: 5\nsession:\n' }), ['marketplace: must hold keys and values'])
  t.equal(load(named, { '/srv/c.yaml': '' }).kind, 'ok')
})

t.test('C-68: sealing keys that are weak or not 32 bytes are refused', async (t) => {
  const base64 = (bytes: Iterable<number>) => Buffer.from([...bytes]).toString('base64')
  const counted = Array.from({ length: 32 }, (_, index) => index)
  const repeated = counted.map((byte) => byte % 8)
  for (const weak of [base64(new Uint8Array(32)), base64(new Uint8Array(32).fill(7)), base64(counted), base64(repeated),
    Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')]) {
    t.match(complaints({ ...mandatory, JOINTGATE_SECRET_KEYS: `${sealingKey},${weak}` }), [/JOINTGATE_SECRET_KEYS.*not random/], weak)
  }
  for (const wrong of ['short', randomBytes(31).toString('base64'), randomBytes(33).toString('base64'), '§§§', ',']) {
    t.match(complaints({ ...mandatory, JOINTGATE_SECRET_KEYS: wrong }), [/JOINTGATE_SECRET_KEYS.*32 bytes/], wrong)
  }
  t.match(complaints({ ...mandatory, JOINTGATE_SECRET_KEYS: `${sealingKey},${sealingKey}` }), [/twice/])
  const two = loadGood({ JOINTGATE_SECRET_KEYS: `${randomBytes(32).toString('base64url')}, ${sealingKey}` })
  t.equal(two.secretKeys.length, 2)
  for (let run = 0; run < 200; run++) loadGood({ JOINTGATE_SECRET_KEYS: randomBytes(32).toString('base64') })
})

t.test('C-68: a sample word is no access key', async (t) => {
  for (const word of ['changeme', 'your-access-key', '<key>', 'xxxx', 'Secret']) {
    t.match(complaints({ ...mandatory, JOINTGATE_MARKETPLACE_KIT_KEYS: `good-0001,${word}` }), [/JOINTGATE_MARKETPLACE_KIT_KEYS.*sample word/], word)
  }
  t.same(loadGood({ JOINTGATE_MARKETPLACE_KIT_KEYS: ' k-0001 , k-0002,' }).marketplace.kitKeys.map((key) => key.reveal()), ['k-0001', 'k-0002'])
})

t.test('private keys: several PEM texts, RSA of 3072 bits or more', async (t) => {
  const good = rsaPem(3072)
  const keysOf = (value: string) => loadGood({ JOINTGATE_MARKETPLACE_PRIVATE_KEYS: value }).marketplace.privateKeys.length
  t.equal(keysOf(good + good), 2)
  t.equal(keysOf(good.replaceAll('\n', '\\n')), 1, 'one line with \\n, as .env files write it')
  t.equal(loadGood({}, { '/srv/jointgate.yaml': JSON.stringify({ marketplace: { privateKeys: [good, good] } }) }).marketplace.privateKeys.length, 2)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const broken = good.replace(/MII..../, 'AAAAAAA')
  for (const [value, why] of [[rsaPem(2048), /3072 bits/], [ec, /3072 bits/], [broken, /cannot be read/], ['canary', /nothing else/], [`${good}canary`, /nothing else/]] as const) {
    t.match(complaints({ ...mandatory, JOINTGATE_MARKETPLACE_PRIVATE_KEYS: value }), [why])
  }
})

t.test('addresses: origins without path; http on the public side needs the switch and a loopback name', async (t) => {
  const bad = ['http://app.example.com', 'https://app.example.com/x', 'https://app.example.com?x', 'https://u:p@app.example.com', 'https://app.example.com#', 'ftp://a', 'app.example.com', 'https://']
  for (const url of bad) t.match(complaints({ ...mandatory, JOINTGATE_PUBLIC_URL: url }), [/JOINTGATE_PUBLIC_URL/], url)
  const withSwitch = { ...mandatory, JOINTGATE_DANGEROUSLY_ALLOW_HTTP: 'true' }
  t.match(complaints({ ...withSwitch, JOINTGATE_PUBLIC_URL: 'http://app.example.com' }), [/loopback/])
  for (const url of ['http://127.0.0.1:8080', 'http://localhost:8080', 'http://[::1]:8080', 'https://app.example.com:8443']) {
    t.equal(loadGood({ ...withSwitch, JOINTGATE_PUBLIC_URL: url }).application.publicUrl, url)
  }
  t.equal(loadGood({ JOINTGATE_PUBLIC_URL: 'https://app.example.com/' }).application.publicUrl, 'https://app.example.com')
  for (const url of ['http://a/b', 'unix:x', 'unix:', 'unix:/a b', '127.0.0.1:3000', 'http://a,b', ',']) t.match(complaints({ ...mandatory, JOINTGATE_UPSTREAM: url }), [/JOINTGATE_UPSTREAM/], url)
  t.same(loadGood({ JOINTGATE_UPSTREAM: 'http://a:3000, https://b/,unix:/x' }).application.upstream, [
    { origin: 'http://a:3000' }, { origin: 'https://b' }, { origin: 'http://localhost', socketPath: '/x' },
  ])
  t.match(complaints({ ...mandatory, JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: 'http://127.0.0.1:8082/#/x' }), [/UNIFIED_LOGIN_URL/])
  t.match(complaints({ ...mandatory, JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: 'https://a/#/x?ind=UNOP' }), [/UNIFIED_LOGIN_URL/])
  t.equal(loadGood({ ...withSwitch, JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: 'http://127.0.0.1:8082/#/x' }).marketplace.unifiedLoginUrl, 'http://127.0.0.1:8082/#/x')
})

t.test('the forms of the other values', async (t) => {
  const refused: Array<[string, string[]]> = [
    ['JOINTGATE_LISTEN', ['8080', ':8080', '127.0.0.1', '127.0.0.1:99999', '[1:2]:80', 'a b:80']],
    ['JOINTGATE_PREFIX', ['_gate', '/', '/_gate/', '/a//b', '/a/../b', '/%61', '/ä', '/' + 'a'.repeat(64)]],
    ['JOINTGATE_MARKETPLACE_TENANT_DOMAINS', ['https://a.example', 'a..b', 'a_b.example', '-a.example', 'a.example:443', 'exämple']],
    ['JOINTGATE_LOG_LEVEL', ['verbose', 'INFO']],
    ['JOINTGATE_SIGN_IN_REDIRECT_URI', ['none']],
    ['JOINTGATE_CONTRACT_GRACE_DAYS', ['91', '-1', '1.5', 'none']],
    ['JOINTGATE_CONTRACT_FROZEN', ['allow', 'Full', 'read_only']],
    ['JOINTGATE_CONTRACT_RENEW_URL', ['http://shop.example.com/', 'javascript:alert(1)', 'https://u:p@shop.example.com/', '/renew', 'https://a b/']],
    ['JOINTGATE_APPLICATION_NAME', ['a\nb', ' a', 'x'.repeat(257)]],
    ['JOINTGATE_SESSION_ABSOLUTE_TIMEOUT_SECONDS', ['0', '-1', '1.5', '1e3', '9'.repeat(12)]],
  ]
  for (const [variable, values] of refused) {
    for (const value of values) t.match(complaints({ ...mandatory, [variable]: value }), [new RegExp(variable)], `${variable}=${value}`)
  }
  t.match(loadGood({ JOINTGATE_CONTRACT_GRACE_DAYS: '0', JOINTGATE_CONTRACT_EXPIRED: 'read-only', JOINTGATE_CONTRACT_RENEW_URL: 'https://shop.example.com/a?b#c' }).contract, {
    graceDays: 0, expired: 'read-only', renewUrl: 'https://shop.example.com/a?b#c',
  })
  t.same(loadGood({ JOINTGATE_LISTEN: '[::]:80' }).listen.public, { host: '::', port: 80 })
  t.same(complaints({ ...mandatory, JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '100', JOINTGATE_SESSION_ABSOLUTE_TIMEOUT_SECONDS: '99' }),
    ['session.idleTimeoutSeconds (JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS): must not be longer than session.absoluteTimeoutSeconds'])
})

t.test('the store: a folder, one Redis, Sentinel or a cluster', async (t) => {
  for (const value of ['sqlite:x', 'lmdb:', './data']) t.match(complaints({ ...mandatory, JOINTGATE_STORAGE: value }), [/must be lmdb:DIRECTORY/], value)
  const storageOf = (value: string, env = {}) => loadGood({ JOINTGATE_STORAGE: value, ...env }).storage
  t.same(storageOf('lmdb:/data'), { kind: 'lmdb', directory: '/data' })
  const plain = {
    kind: 'redis', topology: 'single', nodes: [{ host: 'h', port: 6379 }], masterName: undefined, tls: false, username: undefined, password: undefined, database: 0, prefix: 'jointgate',
  }
  t.same(storageOf('redis://h'), plain)
  t.same(storageOf('redis://h/'), plain)
  t.same(storageOf('rediss://[2001:db8::1]:7000/12?prefix=shop-2'), {
    ...plain, nodes: [{ host: '2001:db8::1', port: 7000 }], tls: true, database: 12, prefix: 'shop-2',
  })
  t.match(storageOf('redis+sentinel://h1,h2:26380/mymaster'), {
    topology: 'sentinel', nodes: [{ host: 'h1', port: 26379 }, { host: 'h2', port: 26380 }], masterName: 'mymaster', database: 0,
  })
  t.match(storageOf('rediss+sentinel://h1/mymaster/3'), { topology: 'sentinel', tls: true, database: 3 })
  t.match(storageOf('redis+cluster://h1:7000,h2:7001'), { topology: 'cluster', nodes: [{ host: 'h1', port: 7000 }, { host: 'h2', port: 7001 }] })
  t.match(storageOf('rediss+cluster://h1'), { topology: 'cluster', tls: true })
  const named = storageOf('redis://gate%40way:p%3A%40%2Fss@h')
  t.match(named, { username: 'gate@way' })
  t.equal(named.kind === 'redis' && named.password?.reveal(), 'p:@/ss')
  t.match(storageOf('redis://:pass@h'), { username: undefined })
  t.notMatch(JSON.stringify(storageOf('redis://user:canary@h')), 'canary')
})

t.test('what is wrong with an address of Redis is said without repeating it: it holds a password', async (t) => {
  for (const [value, why] of [
    ['redis://canary@h', /USER:PASSWORD/], ['redis://u:canary:x@h', /USER:PASSWORD/], ['redis://u:%zz@h', /USER:PASSWORD/], ['redis://u:@h', /USER:PASSWORD/],
    ['redis://u:canary@', /must be lmdb:DIRECTORY/], ['redis://', /must be lmdb:DIRECTORY/], ['redis:h', /must be lmdb:DIRECTORY/], ['redis+canary://h', /must be lmdb:DIRECTORY/],
    ['redis://u:canary@h:0', /HOST:PORT/], ['redis://h:70000', /HOST:PORT/], ['redis://[canary]', /HOST:PORT/], ['redis://a b', /HOST:PORT/],
    ['redis://h1,h2', /several hosts/], ['redis://h/canary', /number of a database/], ['redis://h/1/2', /number of a database/],
    ['redis+sentinel://h', /name the master/], ['redis+sentinel://h/m/x', /number of a database/], ['redis+cluster://h/1', /no path in a cluster/],
    ['redis://h?canary=1', /prefix=NAME/], ['redis://h?prefix=CANARY', /prefix=NAME/], ['redis://h?prefix=', /prefix=NAME/], [`redis://h?prefix=${'a'.repeat(33)}`, /prefix=NAME/],
    ['redis://h?prefix=a&b=c', /prefix=NAME/],
  ] as const) {
    const found = complaints({ ...mandatory, JOINTGATE_STORAGE: value })
    t.match(found, [why], value)
    t.notMatch(found.join().toLowerCase(), 'canary', value)
  }
})

t.test('the other settings of Redis: authorities, the sentinels\' password, replicas that must have a write', async (t) => {
  const redisOf = (env: Record<string, string>) => loadGood(env).redis
  t.same(redisOf({}), { authorities: undefined, sentinelPassword: undefined, replicas: 0 })
  t.equal(redisOf({ JOINTGATE_STORAGE: 'redis://h' }).replicas, 0)
  t.equal(redisOf({ JOINTGATE_STORAGE: 'redis+sentinel://h/m' }).replicas, 1)
  t.equal(redisOf({ JOINTGATE_STORAGE: 'redis+cluster://h' }).replicas, 1)
  t.equal(redisOf({ JOINTGATE_STORAGE: 'redis+cluster://h', JOINTGATE_STORAGE_REPLICAS: '0' }).replicas, 0)
  t.equal(redisOf({ JOINTGATE_STORAGE_SENTINEL_PASSWORD: 'pass' }).sentinelPassword?.reveal(), 'pass')
  const pem = readFileSync(new URL('../fixtures/tls/authority.pem', import.meta.url), 'utf8')
  t.equal(redisOf({ JOINTGATE_STORAGE_CA: pem + pem }).authorities?.match(/BEGIN/g)?.length, 2)
  t.ok(redisOf({ JOINTGATE_STORAGE_CA: pem.replaceAll('\n', '\\n') }).authorities)
  for (const [wrong, why] of [['canary', /nothing else/], [pem.replace(/MII..../, 'AAAAAAA'), /cannot be read/]] as const) {
    t.match(complaints({ ...mandatory, JOINTGATE_STORAGE_CA: wrong }), [why])
  }
  t.match(complaints({ ...mandatory, JOINTGATE_STORAGE_REPLICAS: '6' }), [/from 0 to 5/])
  const warned = (storage: string, env = {}) => configWarnings(loadGood({ JOINTGATE_STORAGE: storage, ...env })).join('\n')
  for (const open of ['redis://redis.example', 'redis://u:p@127.example.com:6379']) t.match(warned(open), 'without TLS')
  for (const fine of ['redis://127.0.0.1', 'redis://[::1]', 'rediss://redis.example']) t.notMatch(warned(fine), 'without TLS')
  t.match(warned('redis://h', { JOINTGATE_DANGEROUSLY_ALLOW_LOSS: 'true' }), 'ALLOW_LOSS')
})

t.test('T-38: no complaint repeats a value, and a config that is printed shows no secret', async (t) => {
  const canary = 'canary7f3a'
  for (const { variable } of listSettings()) {
    t.notMatch(complaints({ [variable]: `${canary}\u0001?` }).join(), canary, variable)
  }
  t.notMatch(complaints({}, { '/srv/jointgate.yaml': `secretKeys: "${canary}\n x: [` }).join(), canary)
  t.notMatch(complaints({}, { '/srv/jointgate.yaml': `secretKeys: { ${canary}: 1 }` }).join(), canary)
  t.notMatch(JSON.stringify(loadGood({ JOINTGATE_MARKETPLACE_KIT_KEYS: canary })), canary)
})

t.test('warnings tell what is allowed but seldom meant', async (t) => {
  const quiet = loadGood({ JOINTGATE_MARKETPLACE_KIT_KEYS: 'k-0001', JOINTGATE_MARKETPLACE_PRODUCTION_KEYS: 'p-0001', JOINTGATE_MARKETPLACE_PRIVATE_KEYS: rsaPem(3072), JOINTGATE_MARKETPLACE_TENANT_DOMAINS: 'a.example' })
  t.same(configWarnings(quiet), [])
  const loud = configWarnings(loadGood({
    JOINTGATE_DANGEROUSLY_ALLOW_HTTP: 'true', JOINTGATE_OPERATOR_LISTEN: '0.0.0.0:8081', JOINTGATE_SESSION_IDLE_TIMEOUT_SECONDS: '7200',
  }))
  for (const word of ['KIT_KEYS', 'PRIVATE_KEYS', 'TENANT_DOMAINS', 'PRODUCTION_KEYS', 'ALLOW_HTTP', 'AAL2', '0.0.0.0']) t.match(loud.join('\n'), word)
})

t.test('the hook, the order query and the retention times say what is wrong with them', async (t) => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const good = loadGood({
    JOINTGATE_PROVISIONING_URL: 'http://127.0.0.1:9000/hook?a=b',
    JOINTGATE_PROVISIONING_SECRETS: secret,
    JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: 'AKID',
    JOINTGATE_ORDER_QUERY_SECRET_ACCESS_KEY: 'a-secret-access-key',
    JOINTGATE_RETENTION_ERASURE_DAYS: '7',
    JOINTGATE_RETENTION_PUSH_LOG_DAYS: '7',
  })
  t.equal(good.provisioning.url, 'http://127.0.0.1:9000/hook?a=b')
  t.equal(good.provisioning.secrets[0]?.reveal(), secret)
  t.equal(good.orderQuery.secretAccessKey?.reveal(), 'a-secret-access-key')
  const cases: [Record<string, string>, RegExp][] = [
    [{ JOINTGATE_PROVISIONING_URL: 'http://hook.example.com/', JOINTGATE_PROVISIONING_SECRETS: secret }, /provisioning\.url .*https/],
    [{ JOINTGATE_PROVISIONING_URL: 'https://user:pass@hook.example.com/', JOINTGATE_PROVISIONING_SECRETS: secret }, /provisioning\.url/],
    [{ JOINTGATE_PROVISIONING_URL: 'https://hook.example.com/' }, /provisioning\.secrets .*must hold a secret/],
    [{ JOINTGATE_PROVISIONING_SECRETS: 'whsec_c2hvcnQ=' }, /provisioning\.secrets .*24 to 64/],
    [{ JOINTGATE_PROVISIONING_SECRETS: `whsec_${Buffer.alloc(32).toString('base64')}` }, /provisioning\.secrets .*not random/],
    [{ JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: 'AKID' }, /orderQuery\.secretAccessKey .*together/],
    [{ JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: 'AKID', JOINTGATE_ORDER_QUERY_SECRET_ACCESS_KEY: 'changeme' }, /orderQuery\.secretAccessKey .*sample/],
    [{ JOINTGATE_RETENTION_ERASURE_DAYS: '7' }, /retention\.pushLogDays .*not be longer/],
  ]
  for (const [env, expected] of cases) t.match(complaints({ ...mandatory, ...env }).join('\n'), expected)
})

t.test('C-67: the secret of the plain logout address has 128 bits and is not typed by hand', async (t) => {
  const name = 'JOINTGATE_BACKCHANNEL_LOGOUT_SECRET'
  for (const weak of ['short', 'a'.repeat(40), '1234567890'.repeat(4), 'b1946ac92492d2347c6235', '0123456789abcdef'.repeat(2), '9203847561029384756102938475610293', 'with/slash-b1946ac92492d2347c6235b4', 'ümlaut-b1946ac92492d2347c6235b4']) {
    t.match(complaints({ ...mandatory, [name]: weak }), [/BACKCHANNEL_LOGOUT_SECRET.*(128 bits|not random)/], weak)
  }
  for (let run = 0; run < 100; run++) {
    const good = randomBytes(24).toString(run % 2 === 0 ? 'hex' : 'base64url')
    t.equal(loadGood({ [name]: good }).backchannelLogout.secret?.reveal(), good)
  }
  t.match(loadGood({}).backchannelLogout, { secret: undefined, jwksPath: undefined, userNameClaim: 'sub' }, 'both forms are off')
  t.notMatch(JSON.stringify(loadGood({ [name]: 'b1946ac92492d2347c6235b4d2611184' })), 'b1946ac9')
})

t.test('C-36: names of identity headers are names that mean nothing else, and no two are one', async (t) => {
  t.match(loadGood({}).identity, { userHeader: 'x-identity-user', accessTokenHeader: 'x-identity-access-token' })
  const some = { JOINTGATE_IDENTITY_USER_HEADER: 'Remote-User', JOINTGATE_IDENTITY_TENANT_HEADER: 'x-forwarded-groups' }
  t.match(loadGood(some).identity, { userHeader: 'remote-user', tenantHeader: 'x-forwarded-groups' })
  for (const bad of [
    'cookie', 'Host', 'authorization', 'connection', 'x-forwarded-for', 'x-real-ip', 'x-original-url', 'x-original-uri', 'origin', 'range', 'content-length',
    'transfer-encoding', 'sec-websocket-key', 'x_user', 'x user', 'x:user', 'x-üser', 'a\r\nb', 'a'.repeat(65),
  ]) {
    t.match(complaints({ ...mandatory, JOINTGATE_IDENTITY_USER_HEADER: bad }), [/identity\.userHeader \(JOINTGATE_IDENTITY_USER_HEADER\)/], bad)
  }
  t.match(complaints({ ...mandatory, JOINTGATE_IDENTITY_USER_HEADER: 'X-Identity-Role' }), [/nine different names/])
})

t.test('C-38: trusted proxies are addresses and networks, nobody by default and never everybody', async (t) => {
  t.same(loadGood({}).listen.trustedProxies, [])
  t.same(loadGood({ JOINTGATE_TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::1' }).listen.trustedProxies, ['10.0.0.0/8', '2001:db8::1'])
  for (const bad of ['0.0.0.0/0', '::/0', '*', 'true', '10.0.0.0/33', 'proxy.example', '10.0.0.1,all']) {
    t.match(complaints({ ...mandatory, JOINTGATE_TRUSTED_PROXIES: bad }), [/listen\.trustedProxies \(JOINTGATE_TRUSTED_PROXIES\)/], bad)
  }
  for (const bad of ['jwks', 'https://x/jwks', '/a?b', '/a/../b', '/a//b', '//evil.example/jwks', '/a@b', '/%2e']) {
    t.match(complaints({ ...mandatory, JOINTGATE_BACKCHANNEL_LOGOUT_JWKS_PATH: bad }), [/BACKCHANNEL_LOGOUT_JWKS_PATH/], bad)
  }
})
