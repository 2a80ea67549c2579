import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { LookupAddress } from 'node:dns'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { isInnerAddress } from '../../src/base/inner-address.ts'
import { createGuardedLookup } from '../../src/sign-in/guarded-lookup.ts'
import { openOutbound, type OutboundOptions } from '../../src/sign-in/outbound-fetch.ts'

const post = { method: 'POST', headers: {}, body: new URLSearchParams({ client_secret: 'x' }), redirect: 'manual' } as const
const readTls = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8')

/** Counts who comes; nobody should, unless a test says so. */
async function openTrap (t: Test, { host = '127.0.0.1', port = 0, tls, answer }: { host?: string, port?: number, tls?: ServerOptions, answer?: RequestListener } = {}) {
  const hits: string[] = []
  const listener: RequestListener = (request, response) => {
    hits.push(`${request.method} ${request.url} ${request.headers['accept-encoding']}`)
    if (answer !== undefined) answer(request, response)
    else response.setHeader('content-type', 'application/json').end('{}')
  }
  const server = (tls === undefined ? createServer(listener) : createTlsServer(tls, listener)).listen(port, host)
  server.on('tlsClientError', () => {})
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { hits, port: (server.address() as AddressInfo).port }
}

function open (t: Test, options: Partial<OutboundOptions> = {}) {
  const outbound = openOutbound({ timeoutSeconds: 2, tenantDomains: [], dangerouslyAllowHttp: false, ...options })
  t.teardown(() => outbound.close())
  return outbound
}

const at = (...addresses: string[]): LookupAddress[] => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

t.test('inner addresses in every spelling (T-44)', async (t) => {
  const inner = [
    '0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1', '172.31.255.255',
    '192.0.0.1', '192.168.1.1', '198.18.0.1', '198.19.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255',
    '::', '::1', '0:0:0:0:0:0:0:1', '::127.0.0.1', '::ffff:127.0.0.1', '::FFFF:10.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:7f00:0001',
    '64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::a00:1', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2001:0:7f00:1::1', '100::1', '2001:db8::1', '192.0.2.1', '203.0.113.9', 'fc00::1', 'fd12:3456::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%lo', 'fec0::1', 'ff02::1', '3fff::1', '5f00::1',
    '', 'localhost', 'nonsense',
  ]
  const outer = [
    '1.1.1.1', '9.255.255.255', '11.0.0.1', '100.63.255.255', '100.128.0.1', '128.0.0.1', '169.253.255.255', '172.15.255.255', '172.32.0.1', '192.167.255.255',
    '198.17.255.255', '223.255.255.255', '2400:da00::6666', '2606:4700::1111', '::ffff:1.1.1.1', '::ffff:808:808', '2003::1', '2001:200::1',
  ]
  for (const address of inner) t.ok(isInnerAddress(address), address)
  for (const address of outer) t.notOk(isInnerAddress(address), address)
})

t.test('no call goes to an address that no push may name, in any spelling (T-44)', async (t) => {
  const trap = await openTrap(t)
  const asked: string[] = []
  const outbound = open(t, { resolve: async (name) => { asked.push(name); return at('1.1.1.1') } })
  const hosts = [
    'localhost', 'LOCALHOST', 'a.localhost', '127.0.0.1', '127.1', '0x7f000001', '2130706433', '0177.0.0.1', '0', '[::1]', '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]', '169.254.169.254', '0xa9fea9fe', '[fd00:ec2::254]', '１２７.0.0.1', '1.1.1.1', 'gateway', 'db.internal', 'sso.local',
    'metadata.google.internal', 'sso.example.com.', 'user@sso.example.com', 'user:pass@sso.example.com', 'sso.example.com:8443', 'sso.example.com:80', 'sso_a.example.com',
  ]
  for (const host of hosts) {
    await t.rejects(outbound.fetch(`https://${host}/`, post), { code: 'EHOST' }, host)
    await t.rejects(outbound.fetch(`http://${host.replace(/:\d+$/, '')}:${trap.port}/`, post), { code: 'EHOST' }, `http ${host}`)
  }
  await t.rejects(outbound.fetch('http://sso.example.com/', post), { code: 'EHOST' }, 'plain http')
  t.same(asked, [], 'none was even looked up')
  t.same(trap.hits, [])
})

t.test('the domains configured now are what counts, by whole labels, whatever the push was let in under (T-10)', async (t) => {
  const asked: string[] = []
  const outbound = open(t, { tenantDomains: ['tenantaccount.com'], resolve: async (name) => { asked.push(name); return at('10.0.0.1') } })
  for (const host of ['eviltenantaccount.com', 'tenantaccount.com.evil.example', 'tenantaccount.com@evil.example', 'tenantaccount.com.', 'tenantaccount.com:444', 'sso.example.com', 'tenantаccount.com', 'tenantaccount.com%2eevil.example']) {
    await t.rejects(outbound.fetch(`https://${host}/`, post), { code: 'EHOST' }, host)
  }
  t.same(asked, [])
  for (const host of ['tenantaccount.com', 'SSO.TenantAccount.com', 'a.b.tenantaccount.com:443']) {
    await t.rejects(outbound.fetch(`https://${host}/`, post), { code: 'EINNER' }, `${host} is one of them`)
  }
  t.same(asked, ['tenantaccount.com', 'sso.tenantaccount.com', 'a.b.tenantaccount.com'])
})

t.test('a name that leads inside is refused, with one inner address among public ones too (T-44)', async (t) => {
  for (const addresses of [['127.0.0.1'], ['1.1.1.1', '10.0.0.1'], ['::ffff:169.254.169.254'], ['2606:4700::1111', '64:ff9b::a00:1'], ['fd00:ec2::254'], []]) {
    const outbound = open(t, { resolve: async () => at(...addresses) })
    await t.rejects(outbound.fetch('https://sso.example.com/', post), { code: 'EINNER' }, addresses.join())
  }
  const unknown = open(t, { resolve: () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })) })
  await t.rejects(unknown.fetch('https://sso.example.com/', post), { code: 'ENOTFOUND' })
})

t.test('DNS rebinding: what was judged is what is called, and each connection is judged anew (T-44)', async (t) => {
  const answers = [at('1.1.1.1', '2606:4700::1111'), at('127.0.0.1'), at('1.1.1.1')]
  let lookUps = 0
  const lookup = createGuardedLookup(async () => answers[lookUps++] ?? [], (address) => !isInnerAddress(address))
  const ask = (all: boolean) => new Promise<[code: unknown, address: unknown, family: unknown]>((resolve) => {
    lookup('sso.example.com', { all }, (error, address, family) => { resolve([error?.code, address, family]) })
  })
  t.same(await ask(true), [undefined, at('1.1.1.1', '2606:4700::1111'), undefined], 'handed over as judged')
  t.equal(lookUps, 1, 'one look-up for both')
  t.same((await ask(true))[0], 'EINNER', 'the second connection finds another answer')
  t.same(await ask(false), [undefined, '1.1.1.1', 4])

  const first = await openTrap(t)
  const second = await openTrap(t, { host: '127.0.0.2', port: first.port })
  let count = 0
  const outbound = open(t, { dangerouslyAllowHttp: true, resolve: async () => at(count++ === 0 ? '127.0.0.1' : '127.0.0.2') })
  await Promise.all([outbound.fetch(`http://sso.example.com:${first.port}/a`, post)])
  t.same([first.hits.length, second.hits.length, count], [1, 0, 1], 'the connection goes to the address that was handed over')
})

t.test('calls at once to one name share a look-up, so that a slow name cannot take the resolver\'s threads', async (t) => {
  const waiting: ((addresses: LookupAddress[]) => void)[] = []
  const lookup = createGuardedLookup(() => new Promise((resolve) => { waiting.push(resolve) }), () => true)
  let answered = 0
  for (let call = 0; call < 20; call++) lookup('slow.example.com', { all: true }, () => { answered++ })
  t.equal(waiting.length, 1)
  waiting[0]?.(at('1.1.1.1'))
  await new Promise(setImmediate)
  t.equal(answered, 20)
  lookup('slow.example.com', { all: true }, () => {})
  t.equal(waiting.length, 2, 'and none outlives it')
})

t.test('the answer: no redirect is followed, no compression taken, neither time nor size unlimited (C-16, T-39)', async (t) => {
  const trap = await openTrap(t)
  const tricks: Record<string, RequestListener> = {
    '/redirect': (_request, response) => { response.writeHead(307, { location: `http://127.0.0.1:${trap.port}/stolen` }).end() },
    '/gzip': (_request, response) => { response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(20_000_000, 0x20))) },
    '/brotli': (_request, response) => { response.writeHead(200, { 'content-encoding': 'br' }).end('x') },
    '/large': (_request, response) => { response.writeHead(200).end(Buffer.alloc(262_145)) },
    '/fits': (_request, response) => { response.writeHead(200).end(Buffer.alloc(262_144)) },
    '/never': () => {},
    '/slow': (_request, response) => {
      response.writeHead(200)
      const timer = setInterval(() => { response.write('x') }, 50)
      response.on('close', () => { clearInterval(timer) })
    },
  }
  const server = await openTrap(t, { answer: (request, response) => { tricks[request.url ?? '']?.(request, response) } })
  const outbound = open(t, { dangerouslyAllowHttp: true, timeoutSeconds: 1 })
  const call = (path: string) => outbound.fetch(`http://127.0.0.1:${server.port}${path}`, post)
  const before = process.memoryUsage().rss

  const redirect = await call('/redirect')
  t.equal(redirect.status, 307)
  t.same(trap.hits, [])
  await t.rejects(call('/gzip'), { code: 'EENCODED' })
  await t.rejects(call('/brotli'), { code: 'EENCODED' })
  await t.rejects(call('/large'), { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' })
  t.equal((await (await call('/fits')).arrayBuffer()).byteLength, 262_144)
  await Promise.all([t.rejects(call('/never'), { name: 'TimeoutError' }), t.rejects(call('/slow'), { name: 'TimeoutError' })])
  t.ok(server.hits.every((hit) => hit.endsWith(' identity')))
  t.ok(process.memoryUsage().rss - before < 60_000_000)
})

t.test('sixteen connections to one server at most: a hanging one takes no more (C-16)', async (t) => {
  let isThere = 0
  const [hanging, other] = [await openTrap(t, { answer: () => { isThere++ } }), await openTrap(t)]
  const outbound = open(t, { dangerouslyAllowHttp: true, timeoutSeconds: 5 })
  const calls = Array.from({ length: 40 }, () => t.rejects(outbound.fetch(`http://127.0.0.1:${hanging.port}/`, post)))
  for (let round = 0; round < 20; round++) await outbound.fetch(`http://127.0.0.1:${other.port}/`, post)
  t.equal(isThere, 16, 'and other servers are called meanwhile')
  await outbound.close()
  await Promise.all(calls)
})

t.test('TLS: the certificate counts, its name, its time and who signed it, and nothing below 1.2 (C-16)', async (t) => {
  const key = readTls('server-key')
  const authorities = readTls('authority')
  const call = async (cert: string, tls: ServerOptions = {}, host = 'localhost'): Promise<string> => {
    const server = await openTrap(t, { tls: { key, cert: readTls(cert), ...tls } })
    const outbound = open(t, { dangerouslyAllowHttp: true, authorities, resolve: async () => at('127.0.0.1') })
    const outcome = await outbound.fetch(`https://${host}:${server.port}/`, post).then(({ status }) => String(status), (error: { code?: string }) => error.code ?? 'none')
    t.equal(server.hits.length, outcome === '200' ? 1 : 0, 'nothing is sent before the certificate is good')
    return outcome
  }
  t.equal(await call('localhost'), '200')
  t.equal(await call('self-signed'), 'DEPTH_ZERO_SELF_SIGNED_CERT')
  t.equal(await call('expired'), 'CERT_HAS_EXPIRED')
  t.equal(await call('wrong-name'), 'ERR_TLS_CERT_ALTNAME_INVALID')
  t.equal(await call('localhost', {}, 'sso.example.com'), 'ERR_TLS_CERT_ALTNAME_INVALID')
  // Where the system's own rules would allow it: only ours refuses then.
  const ciphers = tls.DEFAULT_CIPHERS
  tls.DEFAULT_CIPHERS = 'DEFAULT:@SECLEVEL=0'
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: tls.DEFAULT_CIPHERS } as const
  t.equal(await call('localhost', old), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'TLS 1.1')
  tls.DEFAULT_CIPHERS = ciphers
  t.equal(await call('localhost', { maxVersion: 'TLSv1.2' }), '200')

  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  })
  t.equal(await call('self-signed'), 'DEPTH_ZERO_SELF_SIGNED_CERT', 'whatever the environment says')
})
