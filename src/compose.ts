import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { createClientAddress } from './base/client-address.ts'
import type { Clock } from './base/clock.ts'
import { createRateLimiter } from './base/rate-limiter.ts'
import { scheduleByTimer } from './base/schedule.ts'
import { createRandomId } from './base/random-id.ts'
import type { Config } from './config/load-config.ts'
import { identityNamesOf } from './config/identity-names-of.ts'
import { provisioningOf } from './config/provisioning-of.ts'
import { readingRulesOf } from './config/reading-rules.ts'
import { routingOf } from './config/routing-of.ts'
import { sealedBoxOf } from './config/sealed-box-of.ts'
import { storageSettingsOf } from './config/storage-settings-of.ts'
import { tlsOf } from './config/tls-of.ts'
import { registerConsole } from './console/register-console.ts'
import { IdentityCache } from './forward/identity-cache.ts'
import { loadSigningKeys } from './forward/signing-keys.ts'
import { watchSigningKeys } from './forward/watch-signing-keys.ts'
import { buildOperatorApp } from './telemetry/operator-app.ts'
import { createPages } from './pages/pages.ts'
import { openProvisioning } from './provisioning/open-provisioning.ts'
import { createKeyExchange } from './push/exchange-keys.ts'
import type { PushKeys } from './push/push-keys.ts'
import { wirePush } from './push/wire-push.ts'
import type { ChangeFeed } from './session/store-changes.ts'
import { wireSignIn } from './sign-in/wire-sign-in.ts'
import { openStorage } from './storage/open-storage.ts'
import type { Storage } from './storage/storage.ts'
import { tidyIntervalMs, tidyStorage } from './storage/tidy-storage.ts'
import { createEarlyLog } from './telemetry/early-log.ts'
import { createLogOptions, type LogStream } from './telemetry/log.ts'
import { signErasureReceipt } from './telemetry/sign-erasure-receipt.ts'

export interface Surroundings {
  readonly clock: Clock
  /** Where log lines go; stdout if absent. */
  readonly logStream?: LogStream
  /** Where changes of the embedded store are told, and those of other workers heard of; in this process only if absent. */
  readonly changes?: ChangeFeed
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
  /** What runs a few times a minute: finds the keys that another process has made or taken away. */
  lookAtSigningKeys (): Promise<void>
  /** Stops listening, lets requests in flight end, waits for writes under way. */
  close (): Promise<void>
}

/** Wires everything by hand: config → store → services → listeners. */
export async function compose (config: Config, surroundings: Surroundings): Promise<Gateway> {
  const { clock, logStream, authorizationServerTimeoutSeconds: timeoutSeconds = 10 } = surroundings
  const { application, marketplace, session: limits, contract, dangerouslyAllowHttp } = config
  const logger = createLogOptions({ level: config.log.level, ...(logStream === undefined ? {} : { stream: logStream }) })
  const publicUrl = new URL(application.publicUrl)
  const ownPrefix = application.prefix

  const log = createEarlyLog()
  const storage = await openStorage(storageSettingsOf(config), {
    box: sealedBoxOf(config),
    clock,
    dangerouslyAllowLoss: config.dangerouslyAllowLoss,
    onEvent: (level, event, message) => { log.write(level, { event }, message) },
    ...(surroundings.changes === undefined ? {} : { changes: surroundings.changes }),
  })
  const signingKeys = await loadSigningKeys(storage.signingKeys, clock)
  const keyWatch = watchSigningKeys({ keys: signingKeys, changes: storage.changes, log: log.write })

  const clientAddressOf = createClientAddress(config.listen.trustedProxies)
  const rateLimiter = createRateLimiter(storage.rateLimits, clock)
  const shared = { clock, log: log.write, rateLimiter, clientAddressOf, dangerouslyAllowHttp }

  const signIn = wireSignIn({
    ...shared,
    storage,
    limits,
    contract,
    ownPrefix,
    timeoutSeconds,
    renewUrl: contract.renewUrl,
    tenantDomains: marketplace.tenantDomains,
    rateLimits: config.rateLimits,
    backchannelLogout: config.backchannelLogout,
    pages: createPages({ prefix: ownPrefix, applicationName: application.name, publicUrl: application.publicUrl }),
    settings: { ...config.signIn, appId: application.id, publicUrl, ownPrefix, unifiedLoginUrl: marketplace.unifiedLoginUrl },
  })
  const provisioning = openProvisioning({
    ...shared,
    directory: storage.directory,
    outbox: storage.outbox,
    leases: storage.leases,
    ...provisioningOf(config),
  })
  const keys = await createKeyExchange(storage.keyUsage, clock, marketplace)

  const { authenticate, recheck } = signIn
  const publicApp = await buildApp({
    logger,
    clientAddressOf,
    tls: tlsOf(config),
    signingKeys,
    push: wirePush({
      ...shared,
      ...readingRulesOf(config),
      directory: storage.directory,
      pushLog: storage.pushLog,
      keyUsage: storage.keyUsage,
      provisioning,
      keys,
      perAddress: config.rateLimits.failedPushesPerAddress,
    }),
    ...signIn.routes,
    forwardAuth: {
      callers: config.forwardAuth.callers,
      hosts: config.routes.flatMap(({ host }) => host ?? []),
    },
    forward: {
      ...routingOf(config),
      upstreams: { ...config.upstream, clock, schedule: scheduleByTimer },
      publicUrl,
      webSocketOrigins: application.webSocketOrigins,
      identities: new IdentityCache({ keys: signingKeys, headerNames: identityNamesOf(config), publicUrl, clock }),
      authenticate,
      recheck,
      changes: storage.changes,
    },
  })
  log.attach(publicApp.log)
  const operatorApp = buildOperatorApp({ logger, checkStorage: () => storage.check() })
  await registerConsole(operatorApp, {
    ...storage,
    keys,
    clock,
    graceDays: contract.graceDays,
    applicationName: application.name,
    operatorHost: config.listen.operator.host,
    rateLimiter,
    perAddress: config.rateLimits.operatorPerAddress,
  })

  const holder = createRandomId()
  const tidyUp = (): Promise<void> => tidyStorage(storage, {
    clock,
    holder,
    idleTimeoutSeconds: limits.idleTimeoutSeconds,
    retention: config.retention,
    sign: (summary, erasedAt) => signErasureReceipt({ ...signingKeys.current(), issuer: publicUrl.origin }, summary, erasedAt),
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
    exchangeKeys: (next) => keys.exchange(next),
    lookAtSigningKeys: keyWatch.look,
    async close () {
      clearInterval(tidyTimer)
      keyWatch.close()
      await Promise.all([publicApp.close(), operatorApp.close()])
      await Promise.all([signIn.close(), provisioning.close()])
      await storage.close()
    },
  }
}
