import { once } from 'node:events'
import { generateKeyPairSync, randomBytes, randomInt, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { Secret } from '../../src/base/secret.ts'
import { compose, type Gateway } from '../../src/compose.ts'
import { loadConfig, type Config } from '../../src/config/load-config.ts'
import { sealClientSecret } from '../../src/push/signature/client-secret.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { Browser } from './browser.ts'
import { ManualClock } from './manual-clock.ts'
import { openRecordingUpstream, type RecordingUpstream } from './recording-upstream.ts'

export const appId = '0bd452b0-58af-4b98-9bda-6bf59da68d57'
export const kitKey = 'kit-key-for-tests-0001-0123456789'
export const productionKey = 'base-key-for-tests-0001-0123456789'

/** Made once per test file: 3072-bit keys take a while. */
const keyPair = generateKeyPairSync('rsa', { modulusLength: 3072 })

interface PushAnswer { readonly resultCode: string, readonly resultMsg: string }

export interface TestGateway extends Gateway {
  readonly url: string
  readonly clock: ManualClock
  readonly upstream: RecordingUpstream
  readonly config: Config
  readonly logLines: string[]
  readonly dataFolder: string
  readonly publicKey: KeyObject
  browser (): Browser
  /** Signs and sends a Kit V2 push, 1 ms of business time after the one before. */
  push (name: string, members: Record<string, unknown>): Promise<PushAnswer>
  /** Binds a tenant to an authorization server and grants accounts. */
  bind (tenant: TestTenant, instanceId?: string): Promise<void>
}

export interface TestTenant {
  readonly tenantId: string
  readonly domainName: string
  readonly name?: string
  readonly clientId?: string
  readonly clientSecret?: string
  readonly accounts?: readonly TestAccount[]
}

export interface TestAccount { readonly userName: string, readonly name?: string, readonly role?: string, readonly enable?: string }

interface Options {
  readonly env?: Record<string, string>
  readonly clock?: ManualClock
  /** To start again on what another gateway left. */
  readonly dataFolder?: string
  readonly upstream?: RecordingUpstream
  readonly port?: number
  readonly authorizationServerTimeoutSeconds?: number
}

interface Test { teardown (closer: () => unknown): void }

/** A whole gateway on loopback, composed as `serve` does it, with a clock by hand and an upstream that records. */
export async function openTestGateway (t: Test, options: Options = {}): Promise<TestGateway> {
  const clock = options.clock ?? new ManualClock(Date.now())
  const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'jointgate-test-'))
  const upstream = options.upstream ?? await openRecordingUpstream(t)
  const port = options.port ?? await freePort()
  const url = `${options.env?.['JOINTGATE_TLS_KEY'] === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const logLines: string[] = []
  const config = testConfig({ url, upstream: upstream.url, dataFolder, env: options.env })
  const { authorizationServerTimeoutSeconds = 1 } = options
  const logStream = { write: (line: string): void => { logLines.push(line) } }
  const gateway = await compose(config, { clock, authorizationServerTimeoutSeconds, logStream })
  let isClosed = false
  const close = async (): Promise<void> => {
    if (isClosed) return
    isClosed = true
    await gateway.close()
  }
  t.teardown(async () => {
    await close()
    rmSync(dataFolder, { recursive: true, force: true })
  })
  await gateway.publicApp.listen({ host: '127.0.0.1', port })

  let businessTime = clock.now()
  const push: TestGateway['push'] = async (name, members) => {
    businessTime = Math.max(businessTime + 1, clock.now())
    const timeStamp = toPushTime(businessTime)
    const body = JSON.stringify({ instanceId: 'instance-1', testFlag: 0, timeStamp, ...members })
    return await sendPush(`${url}${config.application.prefix}`, name, body, clock.now())
  }
  return {
    ...gateway,
    close,
    url,
    clock,
    upstream,
    config,
    logLines,
    dataFolder,
    publicKey: keyPair.publicKey,
    browser: () => new Browser(url),
    push,
    bind: (tenant, instanceId) => bindTenant(
      (name, members) => push(name, instanceId === undefined ? members : { ...members, instanceId }), tenant, () => businessTime,
    ),
  }
}

/** The pushes by which a tenant becomes able to sign in. */
export async function bindTenant (push: TestGateway['push'], tenant: TestTenant, now: () => number): Promise<void> {
  const { tenantId, domainName, name = '晨曦科技', clientId = 'client-1', clientSecret = 'client-secret-1', accounts = [] } = tenant
  const must = async (name: string, members: Record<string, unknown>): Promise<void> => {
    const answer = await push(name, members)
    if (answer.resultCode !== '000000') throw new Error(`${name} was refused: ${JSON.stringify(answer)}`)
  }
  await must('tenantSync', { tenantId, tenantCode: 'sunrise', name, domainName, orderId: 'order-1', flag: 1 })
  const sealed = sealClientSecret(new Secret(clientSecret), keyPair.publicKey)
  await must('applicationSync', { tenantId, appId, clientId, clientSecret: sealed, flag: 1 })
  if (accounts.length > 0) {
    await must('authSync', { tenantId, appId, flag: 1, currentSyncTime: toPushTime(now()), userList: accounts.map(wireAccount) })
  }
}

export function wireAccount ({ userName, name = userName, role = 'user', enable = 'true' }: TestAccount): Record<string, unknown> {
  return { userName, name, role, enable, orgCode: '10000' }
}

/** `yyyyMMddHHmmssSSS` in UTC+8. */
export function toPushTime (now: number): string {
  return new Date(now + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 17)
}

/** @param ownUrl the gateway's address with its prefix */
export async function sendPush (ownUrl: string, name: string, body: string, now: number): Promise<PushAnswer> {
  const answer = await request(`${ownUrl}/marketplace/produceAPI/v2/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signKitV2(kitKey, body, randomBytes(16).toString('hex'), now) },
    body,
  })
  return await answer.body.json() as PushAnswer
}

interface ConfigInput { url: string, upstream: string, dataFolder: string, env?: Record<string, string> | undefined }

const sealingKey = randomBytes(32).toString('base64')

/** The variables that a test gateway runs with; also for child processes. */
export function testEnvironment ({ url, upstream, dataFolder, env }: ConfigInput): Record<string, string> {
  return {
    JOINTGATE_LISTEN: new URL(url).host,
    JOINTGATE_OPERATOR_LISTEN: '127.0.0.1:0',
    JOINTGATE_STORAGE: `lmdb:${dataFolder}`,
    JOINTGATE_SECRET_KEYS: sealingKey,
    JOINTGATE_APP_ID: appId,
    JOINTGATE_APPLICATION_NAME: 'Test application',
    JOINTGATE_PUBLIC_URL: url,
    JOINTGATE_UPSTREAM: upstream,
    JOINTGATE_MARKETPLACE_KIT_KEYS: kitKey,
    JOINTGATE_MARKETPLACE_PRODUCTION_KEYS: productionKey,
    JOINTGATE_MARKETPLACE_PRIVATE_KEYS: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    JOINTGATE_DANGEROUSLY_ALLOW_HTTP: 'true',
    ...env,
  }
}

function testConfig (input: ConfigInput): Config {
  const readFile = (path: string): never => { throw Object.assign(new Error(path), { code: 'ENOENT' }) }
  const loaded = loadConfig({ env: testEnvironment(input), cwd: input.dataFolder, readFile })
  if (loaded.kind === 'invalid') throw new Error(loaded.complaints.join('\n'))
  return loaded.config
}

/**
 * A port that was free a moment ago: the public URL must be known before the gateway listens. Not one of those that the system gives to
 * outgoing connections, or one of them may take it before.
 */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
