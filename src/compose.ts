import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import type { Clock } from './base/clock.ts'
import { SealedBox } from './base/sealed-box.ts'
import type { Config } from './config/load-config.ts'
import { IdentityCache } from './forward/identity-cache.ts'
import { loadSigningKeys } from './forward/signing-keys.ts'
import { buildOperatorApp } from './telemetry/operator-app.ts'
import { createPages } from './pages/pages.ts'
import { createAuthenticate } from './session/authenticate.ts'
import { createRenewal } from './session/renew-session.ts'
import { createAuthorizationServer } from './sign-in/authorization-server.ts'
import { openOutbound } from './sign-in/outbound-fetch.ts'
import { isStillKnown, renewTokens } from './sign-in/renew-tokens.ts'
import { openLmdbStorage, type Storage } from './storage/lmdb/open-lmdb-storage.ts'
import { createLogOptions, type LogStream } from './telemetry/log.ts'

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
  /** Stops listening, lets requests in flight end, waits for writes under way. */
  close (): Promise<void>
}

const sweepIntervalMs = 60_000

/** Wires everything by hand: config → store → services → listeners. */
export async function compose (config: Config, surroundings: Surroundings): Promise<Gateway> {
  const { clock, logStream, authorizationServerTimeoutSeconds: timeoutSeconds = 10 } = surroundings
  const { application, marketplace, session: limits, contract, dangerouslyAllowHttp } = config
  const logger = createLogOptions({ level: config.log.level, ...(logStream === undefined ? {} : { stream: logStream }) })
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

  const publicApp = await buildApp({
    logger,
    signingKeys,
    push: {
      directory,
      clock,
      dangerouslyAllowHttp,
      pushLog: storage.pushLog,
      keys: { current: () => marketplace },
      keyUsage: storage.keyUsage,
      frontEndUrl: application.publicUrl,
      tenantDomains: marketplace.tenantDomains,
      appIds: [application.id],
    },
    signIn: { flows, sessions, directory, clock, limits, authorizationServer, settings, contract, pages, ownPrefix, renewUrl: contract.renewUrl },
    session: { sessions, flows, directory, settings, authenticate, limits, pages, clock, ownPrefix, renewUrl: contract.renewUrl },
    forward: {
      upstream: new URL(application.upstream),
      publicUrl,
      upstreamTimeoutSeconds: application.upstreamTimeoutSeconds,
      identities: new IdentityCache({ keys: signingKeys, publicUrl, clock }),
      authenticate,
    },
  })
  const operatorApp = buildOperatorApp({ logger, checkStorage: () => storage.check() })

  const sweeper = setInterval(() => {
    sweep(storage, clock.now(), limits.idleTimeoutSeconds).catch((err: unknown) => {
      publicApp.log.error({ event: 'storage.sweep-failed', err }, 'expired rows were not removed')
    })
  }, sweepIntervalMs).unref()

  return {
    publicApp,
    operatorApp,
    storage,
    async close () {
      clearInterval(sweeper)
      await Promise.all([publicApp.close(), operatorApp.close()])
      await outbound.close()
      await storage.close()
    },
  }
}

/** Removes what has expired; until then it only takes room, since every read judges the time by itself. */
async function sweep ({ sessions, flows, directory }: Storage, now: number, idleTimeoutSeconds: number): Promise<void> {
  await sessions.sweep(now, now - idleTimeoutSeconds * 1000)
  await flows.sweep(now)
  await directory.sweep(now)
}
