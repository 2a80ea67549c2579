import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeVectors } from '../../docs/upstream/make-vectors.ts'
import { ask, openKeyServer, readVectors, sendKeySet, startUpstreamProcess, tryVectors } from '../../docs/upstream/try-vectors.ts'
import { revokeSigningKeys, rotateSigningKeys } from '../../src/forward/rotate-signing-keys.ts'
import { appId, openTestGateway } from '../support/build-gateway.ts'
import { bindTenant, signIn } from '../support/signed-in.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const kit = join(root, 'docs/upstream')
const built = mkdtempSync(join(tmpdir(), 'verifier-kit-'))
t.teardown(() => { rmSync(built, { recursive: true, force: true }) })
t.setTimeout(240_000)

/** `npm run test:heavy` finds what this needs, or installs it, and says which Python has PyJWT. */
const python = process.env['PYTHON_PATH'] ?? '/usr/bin/python3'
execFileSync('javac', ['-Xlint:all,-serial', '-Werror', '-d', built, join(kit, 'java/GatewayIdentity.java'), join(kit, 'java/App.java')])
const goEnv = { ...process.env, GOCACHE: join(built, 'go-cache'), GOFLAGS: '-mod=readonly', GOPROXY: 'off' }
execFileSync('go', ['build', '-o', join(built, 'go-app'), '.'], { cwd: join(kit, 'go'), env: goEnv })

const samples: ReadonlyArray<[name: string, ...command: string[]]> = [
  ['Connect-style middleware', process.execPath, join(kit, 'node/express.mjs')],
  ['Fastify', process.execPath, join(kit, 'node/fastify.mjs')],
  ['Python', python, join(kit, 'python/app.py')],
  ['Java', 'java', '-cp', built, 'App'],
  ['Go', join(built, 'go-app')],
]

const published = readVectors()
const fresh = await makeVectors(Math.floor(Date.now() / 1000))

t.test('the published vectors are what the gateway makes today', async (t) => {
  const verdicts = ({ vectors }: typeof fresh) => vectors.map(({ id, why, reason, identity }) => {
    return [id, why, reason, identity === undefined ? 401 : 200]
  })
  t.strictSame(verdicts(published), verdicts(fresh), 'run npx tsx docs/upstream/make-vectors.ts')
  t.equal(new Set(published.vectors.map(({ id }) => id)).size, published.vectors.length)
})

for (const [name, ...command] of samples) {
  for (const [kind, set] of [['published', published], ['fresh', fresh]] as const) {
    t.test(`T-15 ${name}: every ${kind} vector has its verdict and reason, also with a warm cache`, async (t) => {
      const keyServer = await openKeyServer(sendKeySet(set.jwks, 300))
      t.teardown(keyServer.close)
      const upstream = await startUpstreamProcess(command, { ...set, jwksUrl: keyServer.url })
      t.teardown(upstream.stop)
      t.same(await tryVectors(upstream, set.vectors), [])
      const refused = set.vectors.filter(({ identity }) => identity === undefined).length
      t.equal(upstream.reasons.length, 2 * refused, 'each reason was told')
      t.equal(keyServer.calls(), 1, 'no token makes it ask for the keys again within a minute')
      t.same(upstream.complaints, [])
    })
  }

  t.test(`T-15 ${name}: keys are fetched from one place, kept, looked for again, and not believed for ever`, async (t) => {
    const { now, jwks } = published
    const valuesOf = (id: string): readonly string[] => published.vectors.find((vector) => vector.id === id)?.values ?? []
    const withKeys = sendKeySet(jwks, 100)
    let strayCalls = 0
    const elsewhere = await openKeyServer((request, response) => {
      strayCalls++
      withKeys(request, response)
    })
    t.teardown(elsewhere.close)
    const keyServer = await openKeyServer((_request, response) => { response.writeHead(302, { location: elsewhere.url }).end() })
    t.teardown(keyServer.close)
    const upstream = await startUpstreamProcess(command, { ...published, jwksUrl: keyServer.url, now: now - 5 })
    t.teardown(upstream.stop)
    const statusOf = async (id: string): Promise<number> => (await ask(upstream.port, valuesOf(id))).status

    t.equal(await statusOf('good'), 503, 'a redirect is no key set')
    t.equal(strayCalls, 0)
    keyServer.answer = withKeys
    upstream.setClock(now - 1)
    t.equal(await statusOf('good'), 503, 'after a failure it waits')
    t.equal(keyServer.calls(), 1)

    upstream.setClock(now)
    t.same(await Promise.all(Array.from({ length: 12 }, () => statusOf('good'))), Array.from({ length: 12 }, () => 200))
    t.equal(keyServer.calls(), 2, 'requests at once share one answer')

    upstream.setClock(now + 61)
    for (let round = 0; round < 3; round++) t.equal(await statusOf('kid-unknown'), 401)
    t.equal(keyServer.calls(), 3, 'an unknown key is looked for once a minute')
    t.equal(await statusOf('good'), 200)
    t.equal(keyServer.calls(), 3)

    keyServer.answer = (_request, response) => { response.writeHead(500).end() }
    upstream.setClock(now + 161)
    t.equal(await statusOf('good'), 200, 'old keys serve on while new ones can\'t be had')
    t.equal(await statusOf('good'), 200)
    t.equal(keyServer.calls(), 4, 'at max-age it has asked, and not again at once')

    keyServer.answer = sendKeySet({ keys: jwks.keys.filter((key) => !JSON.stringify(key).includes('"key-1"')) }, 100)
    upstream.setClock(now + 167)
    t.equal(await statusOf('good'), 401, 'a key that is no longer published is no key')
    t.equal(await statusOf('good-next-key'), 200)

    keyServer.answer = (_request, response) => { response.end(`{"keys":[${' '.repeat(70_000)}]}`) }
    upstream.setClock(now + 167 + 100 + 3600)
    t.equal(await statusOf('good-next-key'), 503, 'nor is one that nobody has confirmed for an hour')
  })
}

t.test('T-15 C-46: every sample behind a real gateway, through a key rotation and after a leak', async (t) => {
  const gateway = await openTestGateway(t)
  const { clock, storage: { signingKeys } } = gateway
  const browser = await signIn(gateway, await bindTenant(t, gateway))
  const upstreams = await Promise.all(samples.map(async ([name, ...command]) => {
    const upstream = await startUpstreamProcess(command, { issuer: gateway.url, audience: appId, now: clock.now() / 1000 })
    t.teardown(upstream.stop)
    return { name, upstream }
  }))
  /** What the gateway sends with a request of this person. */
  const headersNow = async (): Promise<Record<string, string>> => {
    await browser.open('/')
    const { headers } = gateway.upstream.requests.at(-1) ?? { headers: {} }
    return Object.fromEntries(Object.entries(headers).filter(([header]) => header.startsWith('x-identity-'))) as Record<string, string>
  }
  const all = async (headers: Record<string, string>, status: number, why: string): Promise<void> => {
    for (const { name, upstream } of upstreams) {
      upstream.setClock(clock.now() / 1000)
      const answer = await ask(upstream.port, [], headers)
      t.equal(answer.status, status, `${name}: ${why}`)
      if (status === 200) t.match(JSON.parse(answer.body), { user: 'lihua', name: '李华' }, name)
    }
  }

  const first = await headersNow()
  const { 'x-identity-assertion': assertion = '', ...plain } = first
  const [head = '', payload = '', signature = ''] = assertion.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const forged = [head, Buffer.from(JSON.stringify({ ...claims, user: 'mallory' })).toString('base64url'), signature].join('.')
  await all(first, 200, 'what the gateway sends')
  await all({ ...first, 'x-identity-assertion': forged }, 401, 'another user under the same signature')
  await all(plain, 401, 'the plain headers alone')

  const { key: next } = await rotateSigningKeys(signingKeys, clock)
  await gateway.lookAtSigningKeys()
  clock.advance(5 * 60_000)
  await all(await headersNow(), 200, 'the next key is published, the old one signs; the samples fetch by max-age')
  clock.set(next.signsFrom)
  const second = await headersNow()
  t.not(second['x-identity-assertion']?.split('.')[0], head, 'the next key signs')
  await all(second, 200, 'its first assertion')

  clock.advance(61_000)
  await revokeSigningKeys(signingKeys, clock)
  await gateway.lookAtSigningKeys()
  const third = await headersNow()
  await all(third, 200, 'after a leak: a key that nobody knew is fetched at once')
  await all(second, 401, 'and the leaked one is believed no more')
})

t.test('the middleware file alone: what it needs to be told, and use without HTTP', async (t) => {
  const { createVerifier } = await import(join(kit, 'node/gateway-identity.mjs'))
  t.throws(() => createVerifier({ issuer: published.issuer }), TypeError)
  t.throws(() => createVerifier({ audience: published.audience }), TypeError)
  const keyServer = await openKeyServer(sendKeySet(published.jwks, 300))
  t.teardown(keyServer.close)
  const { verify } = createVerifier({ ...published, jwksUrl: keyServer.url, now: () => published.now })
  const [good] = published.vectors
  t.match(await verify(good?.values[0]), good?.identity)
  t.match(await verify(undefined).catch((error: unknown) => error), { reason: 'missing' })
  for (const [name, program, ...args] of samples) {
    const env = { PATH: process.env['PATH'], GATEWAY_ISSUER: published.issuer, PYTHONDONTWRITEBYTECODE: '1', PORT: '0' }
    const { status } = spawnSync(program ?? '', args, { env, timeout: 20_000 })
    t.ok((status ?? 0) > 0, `${name} doesn't start without an audience`)
  }
})

t.test('the command that tries an upstream of one\'s own finds one that believes everybody', async (t) => {
  const run = (...command: string[]) => spawnSync(process.execPath, ['--import', 'tsx', join(kit, 'try-vectors.ts'), ...command], { cwd: root, encoding: 'utf8' })
  const good = run(process.execPath, join(kit, 'node/express.mjs'))
  t.match(good, { status: 0, stdout: `${published.vectors.length} vectors, all as they must be\n` })
  const credulous = `require('http').createServer((req, res) => res.end('{}'))
    .listen(0, function () { console.log('listening on ' + this.address().port) })`
  t.match(run(process.execPath, '-e', credulous), { status: 1, stdout: /WRONG {2}missing .*answered 200, not 401/ })
})
