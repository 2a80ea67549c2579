import { readFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:tls'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { lookup } from 'node:dns/promises'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { describeExamination } from '../../src/doctor/describe-examination.ts'
import { examineGateway, type Examination } from '../../src/doctor/examine-gateway.ts'
import { ruleTable } from '../../src/doctor/rule-table.ts'
import type { RuleGroup } from '../../src/doctor/rule.ts'
import { usualLimits, type DoctorOptions } from '../../src/doctor/visit.ts'
import { renderDoctor } from '../../docs/render-doctor.ts'
import { appId, freePort, kitKey, openTestGateway, productionKey, testEnvironment, type TestGateway } from '../support/build-gateway.ts'
import { openFaultyProxy, passOn, success } from '../support/faulty-marketplace-proxy.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { startJointgate } from '../support/run-jointgate.ts'
import { seeds } from './doctor-seeds.ts'

const tenantDomains = ['example.com', 'localhost']
const readTls = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8')
const authorities = [readTls('authority')]

/** Of the fault of the machine that the tests run on nothing shall be said. */
const patientLimits = { ...usualLimits, slow: 4_000 }

const optionsFor = ({ config: { marketplace } }: TestGateway, url: string, changes: Partial<DoctorOptions> = {}): DoctorOptions => ({
  ...marketplace,
  tenantDomains,
  dangerouslyAllowHttp: false,
  domains: [],
  baseUrl: `${url}/_gate/marketplace`,
  callbackUrl: `${url}/_gate/callback`,
  appId,
  clock: systemClock,
  limits: patientLimits,
  authorities,
  lookup,
  ...changes,
})

const red = ({ rules }: Examination): string[] => rules.filter(({ status }) => status === 'failed').map(({ id }) => id)
const yellow = ({ rules }: Examination): string[] => rules.filter(({ status }) => status === 'warned').map(({ id }) => id)

/** What leads up to a group, and the group: that takes a second where the whole table takes five. */
const upTo = (...groups: readonly RuleGroup[]) => ruleTable.filter(({ group, id }) => {
  return groups.includes(group) || group === 'clock and keys' || id === 'address.answers' || (groups.includes('answers') && id === 'interfaces.positive')
})

const found = new Set<string>()

t.test('on a good gateway nothing is found, and nothing again the second time', async (t) => {
  const gateway = await openTestGateway(t)
  for (const time of ['first', 'second']) {
    gateway.clock.set(Date.now())
    const examination = await examineGateway(optionsFor(gateway, gateway.url))
    const other = examination.rules.filter(({ status }) => status !== 'passed')
    t.same(other.filter(({ status }) => status !== 'not-checked'), [], `the ${time} time`)
    t.same(other.map(({ id }) => id), [
      'address.https', 'address.name', 'address.port', 'certificate.chain', 'certificate.name', 'certificate.validity', 'certificate.protocol',
      'authorization-servers.allowed', 'authorization-servers.resolves', 'authorization-servers.tls',
    ], 'a local gateway has no certificate, and no domain was named')
    t.ok(examination.isSound)
    t.ok(examination.calls > 400, 'calls of every interface of both generations')
    const notice = describeExamination(examination).join('\n')
    t.match(notice, /Sound: 0 of \d+ rules failed/)
  }
  t.same(await gateway.storage.directory.findInstances('production', ['doctor-instance' as never]), [], 'nothing is production data (C-60)')
  const received = gateway.logLines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === 'push.received')
  t.same(received.filter(({ realm }) => realm === 'production'), [], 'no call was taken as production data')
  t.ok(received.some(({ realm }) => realm === 'test'))
})

t.test('each seeded fault is found by the rule that is there for it, and by no other', async (t) => {
  const gateway = await openTestGateway(t)
  const proxy = await openFaultyProxy(t, gateway.url)
  for (const seed of seeds) {
    gateway.clock.set(Date.now() + (seed.skewMilliseconds ?? 0))
    proxy.fault = seed.fault?.() ?? passOn
    const { group } = ruleTable.find(({ id }) => id === seed.finds) ?? { group: 'time' as const }
    const examination = await examineGateway(optionsFor(gateway, proxy.url, seed.options), upTo(group, ...seed.with ?? []))
    const { finds, follows = [], isWarning = false, what } = seed
    const expected = isWarning ? [follows, [finds]] : [[...follows, finds].sort(), []]
    if (t.same([red(examination).sort(), yellow(examination)], expected, `${finds}: ${what}`)) found.add(finds)
  }
})

t.test('who answers success to everything is found by all that must be refused', async (t) => {
  const gateway = await openTestGateway(t)
  const proxy = await openFaultyProxy(t, gateway.url)
  proxy.fault = async (call, forward) => (call.name === '' ? forward() : success(call))
  const examination = await examineGateway(optionsFor(gateway, proxy.url))
  t.same(red(examination), [
    'secrets.strange-key', 'interfaces.missing-member', 'signatures.none', 'signatures.strange-key', 'signatures.altered', 'signatures.stale',
    'signatures.future', 'signatures.border', 'instances.new-answer',
  ])
  const text = describeExamination(examination)
  t.ok(text.length < 140, 'a screen or two, not hundreds of lines')
  t.ok(text.every((line) => !line.includes(kitKey) && !line.includes(productionKey)), 'no key')
  t.notMatch(text.join('\n'), /x-sign|signature=[0-9A-F]{64}|BEGIN|authToken=/, 'nothing that anybody could send again')
})

t.test('a gateway that is not there is one finding', async (t) => {
  const gateway = await openTestGateway(t)
  const url = `http://127.0.0.1:${await freePort()}`
  const examination = await examineGateway(optionsFor(gateway, url))
  if (t.same(red(examination), ['address.answers'])) found.add('address.answers')
  const causes = examination.rules.filter(({ status }) => status === 'not-reached').flatMap(({ observations }) => observations.map(({ what }) => what))
  t.same(new Set(causes), new Set(['address.answers']))
})

t.test('when the time is up, what was not asked is not called a failure', async (t) => {
  const gateway = await openTestGateway(t)
  for (const total of [0, 400]) {
    gateway.clock.set(Date.now())
    const examination = await examineGateway(optionsFor(gateway, gateway.url, { limits: { ...patientLimits, total } }))
    if (t.same(red(examination), ['time.total'], `${total} ms`)) found.add('time.total')
    const unreached = examination.rules.filter(({ status }) => status === 'not-reached').flatMap(({ observations }) => observations)
    t.ok(unreached.some(({ what }) => what === 'time.total'))
  }
})

t.test('an address that the marketplace would not take is found without sending anything', async (t) => {
  const gateway = await openTestGateway(t)
  for (const [baseUrl, expected] of [
    ['https://app.example.com/_gate/marketplace', []],
    ['http://app.example.com/_gate/marketplace', ['address.https', 'address.port']],
    ['https://198.51.100.7/_gate/marketplace', ['address.name']],
    ['https://intranet/_gate/marketplace', ['address.name']],
    ['https://app.example.com:8443/_gate/marketplace', ['address.port']],
    ['https://app.example.com/_gate/marketplace?a=1', ['address.path']],
    ['https://app.example.com/_gate/marketplace/produceAPI/v2', ['address.path']],
  ] as const) {
    const table = ruleTable.filter(({ group, needs }) => group === 'address' && needs === 'nothing')
    const isFound = t.same(red(await examineGateway(optionsFor(gateway, gateway.url, { baseUrl }), table)), expected, baseUrl)
    for (const id of isFound ? expected : []) found.add(id)
  }
})

t.test('a certificate that the marketplace would not trust is found', async (t) => {
  const gateway = await openTestGateway(t)
  const key = readTls('server-key')
  const table = ruleTable.filter(({ group, id }) => group === 'certificate' || group === 'clock and keys' || id === 'address.answers')
  const day = 86_400_000
  for (const [cert, finds, clock] of [
    ['localhost', [], systemClock],
    ['self-signed', ['certificate.chain'], systemClock],
    ['wrong-name', ['certificate.name'], systemClock],
    ['expired', ['certificate.validity'], systemClock],
    ['localhost', ['certificate.validity'], new ManualClock(Date.UTC(2124, 0, 1) - 10 * day)],
  ] as const) {
    const proxy = await openFaultyProxy(t, gateway.url, { key, cert: readTls(cert) })
    gateway.clock.set(clock.now())
    const examination = await examineGateway(optionsFor(gateway, proxy.url, { clock }), clock === systemClock ? table : upTo('certificate').slice(0, 4))
    if (t.same(red(examination), finds, `${cert}: ${finds.join()}`)) finds.forEach((id) => found.add(id))
    const isStopped = finds.length > 0 && clock === systemClock
    t.equal(examination.rules.find(({ id }) => id === 'address.answers')?.status, isStopped ? 'not-reached' : clock === systemClock ? 'passed' : undefined)
  }
})

async function openTls (t: Test, versions: object, cert = 'localhost'): Promise<number> {
  const options = { key: readTls('server-key'), cert: readTls(cert), ciphers: 'DEFAULT@SECLEVEL=0', ...versions }
  const server = createTlsServer(options, (socket) => { socket.on('error', () => undefined).end() }).on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return (server.address() as AddressInfo).port
}

t.test('old versions of TLS are found, alone or beside new ones', async (t) => {
  const gateway = await openTestGateway(t)
  const table = ruleTable.filter(({ group }) => group === 'certificate')
  const look = async (versions: object) => {
    const port = await openTls(t, versions)
    return examineGateway(optionsFor(gateway, `https://localhost:${port}`), table)
  }
  const isFound = t.same(red(await look({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })), ['certificate.protocol'])
  const both = await look({ minVersion: 'TLSv1', maxVersion: 'TLSv1.3' })
  t.same([red(both), yellow(both)], [[], ['certificate.protocol']])
  if (isFound) found.add('certificate.protocol')
})

t.test('an authorization server that the gateway would not talk to is found', async (t) => {
  const gateway = await openTestGateway(t)
  const table = ruleTable.filter(({ group }) => group === 'authorization servers')
  const [good, selfSigned] = [await openTls(t, {}), await openTls(t, {}, 'self-signed')]
  const nowhere = async (): Promise<never> => { throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }) }
  const inside = async () => [{ address: '10.0.0.1', family: 4 }]
  const [loose, strict] = [{ dangerouslyAllowHttp: true }, {}]
  for (const [domain, options, finds] of [
    [`https://localhost:${good}`, loose, []],
    ['https://login.example.org', strict, ['authorization-servers.allowed']],
    ['http://login.example.com', strict, ['authorization-servers.allowed']],
    ['login.example.com', { lookup: nowhere }, ['authorization-servers.resolves']],
    [`https://localhost:${selfSigned}`, loose, ['authorization-servers.tls']],
  ] as const) {
    const changes = { ...options as Partial<DoctorOptions>, domains: [domain] }
    const examination = await examineGateway(optionsFor(gateway, gateway.url, changes), table)
    if (t.same(red(examination), finds, `${domain}: ${finds.join()}`)) finds.forEach((id) => found.add(id))
  }
  const inner = await examineGateway(optionsFor(gateway, gateway.url, { lookup: inside as never, domains: ['login.example.com'] }), table)
  t.same(red(inner), ['authorization-servers.resolves'], 'an inner address is not called')
})

t.test('the verb prints what a person can act on, writes JSON, and its exit code says whether all is well', async (t) => {
  const gateway = await openTestGateway(t)
  const { url, dataFolder } = gateway
  const env = { ...testEnvironment({ url, upstream: url, dataFolder }), JOINTGATE_MARKETPLACE_TENANT_DOMAINS: 'example.com' }
  const jsonFile = join(dataFolder, 'doctor.json')
  gateway.clock.set(Date.now() + 10_000)
  const good = await startJointgate(['doctor', '--json', jsonFile], env).ended
  t.match(good, { code: 0, stderr: '', stdout: `jointgate doctor: ${url}/_gate/marketplace\n` })
  t.match(good.stdout, /interfaces +\d+ passed\n/)
  const written = JSON.parse(readFileSync(jsonFile, 'utf8')) as Examination
  t.same(written.rules.map(({ id }) => id), ruleTable.map(({ id }) => id))
  t.equal(written.isSound, true)

  const [nobody, usage, config] = await Promise.all([
    startJointgate(['doctor', '--url', `http://127.0.0.1:${await freePort()}`], env).ended,
    startJointgate(['doctor', '--url', 'ftp://a'], env).ended,
    startJointgate(['doctor'], { ...env, JOINTGATE_PUBLIC_URL: 'nowhere' }).ended,
  ])
  t.match(nobody, { code: 1, stdout: /FAILED {2}address\.answers .*\n {2}found: .*ECONNREFUSED\n[^]*why: +[^]*to do: / })
  t.match(usage, { code: 2, stderr: /^Usage: jointgate doctor/ })
  t.match(config, { code: 78, stderr: /PUBLIC_URL/ })
})

t.test('the manual lists the rules of the table', async (t) => {
  t.equal(readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8'), renderDoctor(), 'run npm run docs')
})

t.test('no rule of the table is there that no seeded fault has turned red', async (t) => {
  t.same(ruleTable.map(({ id }) => id).filter((id) => !found.has(id)), [])
  t.equal(new Set(ruleTable.map(({ id }) => id)).size, ruleTable.length, 'no id stands twice')
})
