import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeProtectedHeader } from 'jose'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { SealedBox } from '../../src/base/sealed-box.ts'
import { createSigningKey } from '../../src/forward/create-signing-key.ts'
import { openTestGateway, testEnvironment, type TestGateway } from '../support/build-gateway.ts'
import { openRedisConnection, openRedisServer } from '../support/redis-server.ts'
import { startJointgate } from '../support/run-jointgate.ts'
import { bindTenant, signIn, until } from '../support/signed-in.ts'

const minute = 60_000

async function publishedBy (gateway: TestGateway, file = 'jwks'): Promise<string[]> {
  const { keys } = JSON.parse((await gateway.browser().fetch(`/_gate/${file}.json`)).body) as { keys: Array<{ kid: string }> }
  return keys.map(({ kid }) => kid)
}

function runIn (gateway: TestGateway, env: Record<string, string>) {
  const variables = testEnvironment({ url: gateway.url, upstream: gateway.upstream.url, dataFolder: gateway.dataFolder, env })
  return (...words: string[]) => startJointgate(['keys', ...words], variables).ended
}

type Learn = (gateway: TestGateway, kids: number) => Promise<void>

async function rotateBeside (t: Test, env: Record<string, string>, learn: Learn): Promise<void> {
  const gateway = await openTestGateway(t, { env })
  const browser = await signIn(gateway, await bindTenant(t, gateway))
  const run = runIn(gateway, env)
  async function signer (): Promise<string | undefined> {
    t.equal((await browser.open('/')).status, 200)
    return decodeProtectedHeader(String(gateway.upstream.requests.at(-1)?.headers['x-identity-assertion'])).kid
  }
  const [first = ''] = await publishedBy(gateway)

  const twice = await Promise.all([run('rotate'), run('rotate')])
  for (const { code, stderr } of twice) t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(twice.map(({ stdout }) => stdout.slice(0, 7)).sort(), ['The new', 'There i'], 'two at once agree on one key')
  await learn(gateway, 2)
  const [, next = ''] = await publishedBy(gateway)
  for (const { stdout } of twice) t.match(stdout, next)
  t.equal(await signer(), first, 'published, and not used yet')
  t.match(await run('status'), { code: 0, stdout: new RegExp(`  ${first} +current +signs from .* published until [^]*  ${next} +next +signs from`) })
  // The command goes by the real clock, which has not stood still meanwhile.
  gateway.clock.advance(25 * minute)
  t.equal(await signer(), next)
  t.same(await publishedBy(gateway), [first, next])

  t.match(await run('rotate', '--now'), { code: 0, stdout: /signs already\.\nThe keys before it count for nothing/ })
  await learn(gateway, 1)
  const [last = ''] = await publishedBy(gateway)
  t.equal(await signer(), last)
  t.notOk([first, next].includes(last))
  t.same(await publishedBy(gateway, 'historical-jwks'), [first, next, last])
  const { signingKeys } = JSON.parse((await run('status', '--json')).stdout) as { signingKeys: Array<{ kid: string, state: string }> }
  t.match(signingKeys, [{ kid: first, state: 'revoked' }, { kid: next, state: 'revoked' }, { kid: last, state: 'current' }])
  for (const key of await gateway.storage.signingKeys.list()) t.equal('d' in JSON.parse(key.jwk.reveal()), key.kid === last)
  t.match(gateway.logLines.join(''), /"event":"signing-keys.changed"/)
  t.notMatch(gateway.logLines.join(''), /"[dxy]":"/)
}

t.test('T-37 keys rotate beside a running gateway on LMDB, which learns of it at its next look', { timeout: 120_000 }, async (t) => {
  await rotateBeside(t, {}, (gateway) => gateway.lookAtSigningKeys())
})

t.test('T-37 the same on Redis, which tells it', { timeout: 120_000 }, async (t) => {
  const redis = await openRedisServer(t)
  const heard: Learn = (gateway, kids) => until(async () => (await publishedBy(gateway)).length === kids)
  await rotateBeside(t, { JOINTGATE_STORAGE: redis.url }, heard)
})

t.test('words that keys does not know', async (t) => {
  const env = testEnvironment({ url: 'http://127.0.0.1:1', upstream: 'http://127.0.0.1:2', dataFolder: '/nowhere' })
  const misspelt = [['rotate', '--json'], ['constructor'], ['rotate', '--now', 'x']]
  for (const { code, stderr } of await Promise.all(misspelt.map((words) => startJointgate(['keys', ...words], env).ended))) {
    t.match({ code, stderr }, { code: 2, stderr: /^Usage: jointgate keys status/ })
  }
})

/** As the first version has stored it: one private key in one place, without any times but one. */
t.test('the key that a version without rotation has stored signs on, in both stores', async (t) => {
  const { kid, jwk } = await createSigningKey({ createdAt: 5, signsFrom: 5 })
  const dataFolder = mkdtempSync(join(tmpdir(), 'jointgate-keys-'))
  t.teardown(() => { rmSync(dataFolder, { recursive: true, force: true }) })
  const sealingKey = randomBytes(32)
  const box = new SealedBox([sealingKey])
  const env = { JOINTGATE_SECRET_KEYS: sealingKey.toString('base64') }

  const raw = open({ path: dataFolder, noSubdir: false, maxDbs: 64 })
  const row = { kid, createdAt: 5, sealedJwk: box.seal(jwk.reveal(), `signing-key:${kid}`) }
  await raw.openDB('signing-keys', { encoding: 'msgpack', useVersions: true }).put('first', row, 1)
  await raw.close()
  t.same(await publishedBy(await openTestGateway(t, { dataFolder, env })), [kid])

  const redis = await openRedisServer(t)
  const { keys, reads } = openRedisConnection(t, redis)
  const sealed = box.seal(JSON.stringify({ kid, createdAt: 5, privateJwk: jwk.reveal() }), 'signing-key:first')
  await reads.hset(keys.own('signing-keys'), 'first', sealed)
  const prefix = keys.own('x').split(':{')[0]
  const gateway = await openTestGateway(t, { env: { ...env, JOINTGATE_STORAGE: `${redis.url}?prefix=${prefix}` } })
  t.same(await publishedBy(gateway), [kid])
  const rotated = await runIn(gateway, { ...env, JOINTGATE_STORAGE: `${redis.url}?prefix=${prefix}` })('rotate')
  t.match(rotated, { code: 0, stdout: new RegExp(`${kid} +current +signs from 1970-01-01T00:00:00.005Z`) })
})
