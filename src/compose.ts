import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import type { Clock } from './base/clock.ts'
import { SealedBox } from './base/sealed-box.ts'
import type { Config } from './config/load-config.ts'
import { registerConsole } from './console/register-console.ts'
import { eraseDue, type EraseDueDeps } from './directory/erase-due.ts'
import { IdentityCache } from './forward/identity-cache.ts'
import { loadSigningKeys } from './forward/signing-keys.ts'
import { buildOperatorApp } from './telemetry/operator-app.ts'
import { createPages } from './pages/pages.ts'
import { openProvisioning, type OpenProvisioningOptions } from './provisioning/open-provisioning.ts'
import { orderQueryBaseUrls } from './provisioning/order-query.ts'
import { fingerprintOf, type PushKeys } from './push/push-keys.ts'
import { createAuthenticate } from './session/authenticate.ts'
import { createRenewal } from './session/renew-session.ts'
import { createAuthorizationServer } from './sign-in/authorization-server.ts'
import { openOutbound } from './sign-in/outbound-fetch.ts'
import { isStillKnown, renewTokens } from './sign-in/renew-tokens.ts'
import { openLmdbStorage, type Storage } from './storage/lmdb/open-lmdb-storage.ts'
import { createLogOptions, type LogStream } from './telemetry/log.ts'
import { signErasureReceipt } from './telemetry/sign-erasure-receipt.ts'

export interface Surroundings {
  readonly clock: Clock
  /** Where log lines go; stdout if absent. */
  readonly logStream?: LogStream
  /** How long a call to an authorization server may take. The marketplace names no limit (`login.md` Q21). */
  readonly authorizationServerTimeoutSeconds?: number
}

export interface Gateway {
  readonly publicApp: FastifyInstance
  readonly operatorApp: FastifyInstance
  readonly storage: Storage
  /** From the next call on the marketplace's keys are these; sessions and requests in flight notice nothing. */
  exchangeKeys (keys: PushKeys): Promise<void>
  /** What runs each minute: forgets what has expired, and erases what must be forgotten. */
  tidyUp (): Promise<void>
  /** Stops listening, lets requests in flight end, waits for writes under way. */
  close (): Promise<void>
}

const tidyIntervalMs = 60_000
const dayMs = 86_400_000
const megabyte = 1_000_000

/** Wires everything by hand: config → store → services → listeners. */
export async function compose (config: Config, surroundings: Surroundings): Promise<Gateway> {
  const { clock, logStream, authorizationServerTimeoutSeconds: timeoutSeconds = 10 } = surroundings
  const { application, marketplace, session: limits, contract, dangerouslyAllowHttp } = config
  const logger = createLogOptions({ level: config.log.level, ...(logStream === undefined ? {} : { stream: logStream }) })
  const { renewUrl } = contract
  const publicUrl = new URL(application.publicUrl)
  const ownPrefix = application.prefix

  const box = new SealedBox(config.secretKeys.map((key) => Buffer.from(key.reveal(), 'base64')))
  const storage = openLmdbStorage(config.storage.directory, box, clock)
  const { directory, sessions, flows } = storage
  const signingKeys = await loadSigningKeys(storage.signingKeys, clock)

  const outbound = openOutbound({ timeoutSeconds, dangerouslyAllowHttp })
  const authorizationServer = createAuthorizationServer({
    outbound,
    clock,
    timeoutSeconds,
    dangerouslyAllowHttp,
    scope: config.signIn.scope,
    clientAuthentication: config.signIn.clientAuthentication,
  })
  const pages = createPages({ prefix: ownPrefix, applicationName: application.name, publicUrl: application.publicUrl })
  const settings = {
    ...config.signIn, appId: application.id, publicUrl, ownPrefix, unifiedLoginUrl: marketplace.unifiedLoginUrl,
  }

  const renew = createRenewal({
    sessions,
    clock,
    askForTokens: (session) => renewTokens({ directory, authorizationServer }, session),
    isStillKnown: (session, tokens) => isStillKnown({ directory, authorizationServer }, session, tokens),
  })
  const authenticate = createAuthenticate({
    sessions,
    directory,
    clock,
    limits,
    contract,
    renew,
    onBackgroundFault: (err, ref) => { publicApp.log.error({ event: 'session.background-fault', sessionRef: ref.slice(0, 8), err }, 'background work failed') },
  })

  const provisioning = openProvisioning({
    directory,
    outbox: storage.outbox,
    clock,
    dangerouslyAllowHttp,
    log: (level, line, message) => { publicApp.log[level](line, message) },
    ...provisioningOf(config),
  })
  let keys: PushKeys = marketplace
  const keySource = { current: () => keys }
  await seeKeys(storage, keys, clock)

  const publicApp = await buildApp({
    logger,
    signingKeys,
    push: {
      directory: { ...directory, commit: provisioning.commit },
      clock,
      dangerouslyAllowHttp,
      provisioning,
      pushLog: storage.pushLog,
      keys: keySource,
      keyUsage: storage.keyUsage,
      frontEndUrl: application.publicUrl,
      tenantDomains: marketplace.tenantDomains,
      appIds: [application.id],
    },
    signIn: { flows, sessions, directory, clock, limits, authorizationServer, settings, contract, pages, ownPrefix, renewUrl },
    session: { sessions, flows, directory, settings, authenticate, limits, pages, clock, ownPrefix, renewUrl },
    forward: {
      upstream: new URL(application.upstream),
      publicUrl,
      upstreamTimeoutSeconds: application.upstreamTimeoutSeconds,
      identities: new IdentityCache({ keys: signingKeys, publicUrl, clock }),
      authenticate,
    },
  })
  const operatorApp = buildOperatorApp({ logger, checkStorage: () => storage.check() })
  await registerConsole(operatorApp, {
    ...storage,
    keys: keySource,
    clock,
    graceDays: contract.graceDays,
    applicationName: application.name,
    operatorHost: config.listen.operator.host,
  })

  const tidyUp = (): Promise<void> => tidy(storage, config, clock, {
    sign: (summary, erasedAt) => signErasureReceipt({ ...signingKeys, issuer: publicUrl.origin }, summary, erasedAt),
    onErased: (summary) => { publicApp.log.info({ event: 'erasure.done', ...summary }, 'personal data was erased') },
  })
  const tidyTimer = setInterval(() => {
    tidyUp().catch((err: unknown) => {
      publicApp.log.error({ event: 'storage.tidy-failed', err }, 'expired rows were not removed')
    })
  }, tidyIntervalMs).unref()
  provisioning.start()

  return {
    publicApp,
    operatorApp,
    storage,
    tidyUp,
    async exchangeKeys (next) {
      keys = next
      await seeKeys(storage, next, clock)
    },
    async close () {
      clearInterval(tidyTimer)
      await Promise.all([publicApp.close(), operatorApp.close()])
      await Promise.all([outbound.close(), provisioning.close()])
      await storage.close()
    },
  }
}

function provisioningOf ({ provisioning, orderQuery }: Config): Pick<OpenProvisioningOptions, 'hook' | 'orderQuery'> {
  const { accessKeyId, secretAccessKey, url } = orderQuery
  const isAsked = accessKeyId !== undefined && secretAccessKey !== undefined && url !== undefined
  return {
    ...(provisioning.url !== undefined && { hook: { url: provisioning.url, secrets: provisioning.secrets } }),
    ...(isAsked && { orderQuery: { baseUrls: orderQueryBaseUrls(url), accessKeyId, secretAccessKey } }),
  }
}

/** So that `keys status` can say how old each key is. */
async function seeKeys ({ keyUsage }: Storage, { kitKeys, productionKeys }: PushKeys, clock: Clock): Promise<void> {
  await keyUsage.see('kit', kitKeys.map(fingerprintOf), clock.now())
  await keyUsage.see('production', productionKeys.map(fingerprintOf), clock.now())
}

/** Removes what has expired; until then it only takes room, since every read judges the time by itself. */
async function tidy (
  { sessions, flows, directory, pushLog, erasures }: Storage, { session, retention }: Config, clock: Clock,
  erasure: Pick<EraseDueDeps, 'sign' | 'onErased'>,
): Promise<void> {
  const now = clock.now()
  await sessions.sweep(now, now - session.idleTimeoutSeconds * 1000)
  await flows.sweep(now)
  await directory.sweep(now)
  await pushLog.sweep(now - retention.pushLogDays * dayMs, retention.pushLogMegabytes * megabyte)
  await eraseDue({ erasures, clock, retentionDays: retention.erasureDays, ...erasure })
}
