import { generateKeyPair, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { systemClock } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import { compose } from '../compose.ts'
import { loadConfig, type Config } from '../config/load-config.ts'
import { openDemoWorld, type DemoWorld } from '../simulator/demo-world.ts'
import { crashSignals } from './crash-signals.ts'
import { renderDemoGuide } from './demo-guide.ts'

export interface DemoPorts {
  readonly gateway: number
  readonly operator: number
  readonly simulator: number
  readonly application: number
}

export interface Demo {
  readonly config: Config
  readonly world: DemoWorld
  /** The gateway's variables, for `node --env-file`: so the other commands can be tried beside the demo. */
  readonly envFile: string
  /** Stops everything and forgets all of it. */
  readonly close: () => Promise<void>
}

/** Runs the demo until somebody stops it, and prints one screen that says what to click. */
export async function demo (): Promise<void> {
  const { config, world, envFile, close } = await openDemo({ gateway: 8080, operator: 8081, simulator: 8082, application: 8083 })
  closeWithGrace({ delay: 5_000, skip: [...crashSignals] }, close)
  process.stdout.write(renderDemoGuide(config, world, envFile))
}

/**
 * Starts gateway, simulator and sample application in this process, with keys made for this run and a temporary folder, and
 * binds two enterprises by pushes. Rejects, with everything closed again, if a port is taken or a push refused.
 */
export async function openDemo (ports: DemoPorts): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'jointgate-demo-'))
  const closers = [() => rm(folder, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const keys = await makeKeys()
    const world = await openDemoWorld({
      gatewayUrl: gatewayUrlOf(ports),
      prefix: '/_gate',
      appId: keys.appId,
      kitKeys: keys.kitKeys,
      productionKeys: keys.productionKeys,
      orderQueryCredentials: keys.orderQuery,
      applicationPublicKeyPem: keys.publicKey,
      clock: systemClock,
      marketplacePort: ports.simulator,
      applicationPort: ports.application,
    })
    closers.push(() => world.close())
    const env = demoVariables(folder, ports, keys, world)
    const config = loadDemoConfig(folder, env)
    const envFile = join(folder, 'demo.env')
    await writeFile(envFile, Object.entries(env).map(([name, value]) => `${name}='${value}'\n`).join(''), { mode: 0o600 })
    const gateway = await compose(config, { clock: systemClock })
    closers.push(() => gateway.close())
    // Fastify writes into what it is given, and the config is frozen.
    await gateway.operatorApp.listen({ ...config.listen.operator })
    await gateway.publicApp.listen({ ...config.listen.public })
    const refused = (await world.seed()).find((answer) => !answer.isSuccess)
    if (refused !== undefined) throw new Error(`the gateway refused the demo's ${refused.name}: ${refused.resultCode} ${refused.resultMsg}`)
    return { config, world, envFile, close }
  } catch (error) {
    await close()
    throw error
  }
}

const gatewayUrlOf = (ports: DemoPorts): string => `http://127.0.0.1:${ports.gateway}`

type DemoKeys = Awaited<ReturnType<typeof makeKeys>>

async function makeKeys () {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 3072,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const newKey = (): Secret => new Secret(randomBytes(32).toString('hex'))
  const kitKeys = [newKey(), newKey()] as const
  const productionKeys = [newKey(), newKey()] as const
  const orderQuery = { accessKeyId: randomBytes(10).toString('hex'), secretAccessKey: newKey() }
  const sealingKey = randomBytes(32).toString('base64')
  return { appId: randomUUID(), publicKey, privateKey, kitKeys, productionKeys, orderQuery, sealingKey }
}

const revealAll = (keys: readonly Secret[]): string => keys.map((key) => key.reveal()).join(',')

function demoVariables (folder: string, ports: DemoPorts, keys: DemoKeys, world: DemoWorld): Record<string, string> {
  return {
    JOINTGATE_LISTEN: `127.0.0.1:${ports.gateway}`,
    JOINTGATE_OPERATOR_LISTEN: `127.0.0.1:${ports.operator}`,
    JOINTGATE_STORAGE: `lmdb:${join(folder, 'data')}`,
    JOINTGATE_SECRET_KEYS: keys.sealingKey,
    JOINTGATE_APP_ID: keys.appId,
    JOINTGATE_APPLICATION_NAME: '示例应用 Sample',
    JOINTGATE_PUBLIC_URL: gatewayUrlOf(ports),
    JOINTGATE_UPSTREAM: world.applicationUrl,
    JOINTGATE_MARKETPLACE_KIT_KEYS: revealAll(keys.kitKeys),
    JOINTGATE_MARKETPLACE_PRODUCTION_KEYS: revealAll(keys.productionKeys),
    JOINTGATE_ORDER_QUERY_ACCESS_KEY_ID: keys.orderQuery.accessKeyId,
    JOINTGATE_ORDER_QUERY_SECRET_ACCESS_KEY: keys.orderQuery.secretAccessKey.reveal(),
    JOINTGATE_ORDER_QUERY_URL: world.marketplaceUrl,
    JOINTGATE_MARKETPLACE_PRIVATE_KEYS: keys.privateKey,
    JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL: world.unifiedLoginUrl,
    // The guide is the demo's only output; a fault is still worth a line.
    JOINTGATE_LOG_LEVEL: 'error',
    JOINTGATE_DANGEROUSLY_ALLOW_HTTP: 'true',
  }
}

/** Goes the way that every config goes, and takes nothing from the environment or a file of whoever tries the demo. */
function loadDemoConfig (folder: string, env: Record<string, string>): Config {
  const readFile = (path: string): never => {
    throw Object.assign(new Error(`${path} is not read`), { code: 'ENOENT' })
  }
  const loaded = loadConfig({ env, cwd: folder, readFile })
  if (loaded.kind === 'invalid') throw new Error(`the demo's own configuration is wrong: ${loaded.complaints.join('; ')}`)
  return loaded.config
}
