import { Pool, type Dispatcher } from 'undici'
import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/coded-errors.ts'
import type { Schedule } from '../../base/schedule.ts'
import type { Secret } from '../../base/secret.ts'
import type { WriteLog } from '../../telemetry/early-log.ts'
import type { Balance } from './choose-server.ts'
import {
  afterAnswer, afterCheck, afterFailedConnection, afterLostConnection, freshHealth, isTrialDue, onTrial, weightOf, type ServerHealth,
} from './server-health.ts'
import { nameOfUpstream, type UpstreamAddress } from './upstream-address.ts'

/** `headersTimeout`: how long the answer may take, in ms. */
export type UpstreamRequest = Dispatcher.DispatchOptions & { readonly headersTimeout: number }

/** What all servers of all groups have in common. */
export interface UpstreamOptions {
  readonly balance: Balance
  /** What active checks ask for; `undefined`: none. */
  readonly healthPath: string | undefined
  readonly healthIntervalSeconds: number
  /** How long a server that has come back takes to get its full share. */
  readonly slowStartSeconds: number
  /** PEM; `undefined`: those that Node knows. */
  readonly authorities: string | undefined
  /** What the gateway shows to a server that asks for a client certificate (PEM). */
  readonly certificate: string | undefined
  readonly key: Secret | undefined
  readonly clock: Clock
  /** Of checks. */
  readonly schedule: Schedule
  /** Told once when a server gets nothing more, and once when it is back. */
  readonly log: WriteLog
}

/** undici's own limit for making a connection, TLS and all; a shorter wait for the answer makes this one shorter, too. */
const maxConnectMs = 10_000

/** One server with its connections, and what is known of it: from the requests of all groups that it is in, and from checks. */
export class UpstreamServer {
  readonly name: string
  /** Requests under way, event streams and tunnels among them. */
  load = 0
  readonly #address: UpstreamAddress
  readonly #options: UpstreamOptions
  readonly #pool: Pool
  /** For requests that may not wait as long for a connection, by how long they may. */
  readonly #quickPools = new Map<number, Pool>()
  #health: ServerHealth = freshHealth

  /** @throws TypeError if the address is more than an origin: what it would add to each path, nobody has judged (C-39) */
  constructor (address: UpstreamAddress, options: UpstreamOptions) {
    const { href, origin } = new URL(address.origin)
    if (href !== `${origin}/`) throw new TypeError('an upstream is an origin: no user, path or query')
    this.name = nameOfUpstream(address)
    this.#address = address
    this.#options = options
    this.#pool = openPool(address, options, maxConnectMs)
  }

  send (request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    this.#poolFor(request.headersTimeout).dispatch(request, handler)
  }

  #poolFor (timeoutMs: number): Pool {
    if (timeoutMs >= maxConnectMs) return this.#pool
    let pool = this.#quickPools.get(timeoutMs)
    if (pool === undefined) {
      pool = openPool(this.#address, this.#options, timeoutMs)
      this.#quickPools.set(timeoutMs, pool)
    }
    return pool
  }

  weight (now: number): number {
    return weightOf(this.#health, now, this.#options.slowStartSeconds * 1000)
  }

  /** Whether the next request is to try it, although it was set aside. Whoever asks and gets a yes does. */
  takesTrial (now: number): boolean {
    if (!isTrialDue(this.#health, now)) return false
    this.#health = onTrial(this.#health, now)
    return true
  }

  hasAnswered (sentAt: number): void {
    this.#learn(afterAnswer(this.#health, this.#options.clock.now(), sentAt))
  }

  hasRefused (error: Error): void {
    this.#learn(afterFailedConnection(this.#health, this.#options.clock.now()), { because: 'unreachable', code: codeOf(error) })
  }

  hasBroken (error: Error): void {
    this.#learn(afterLostConnection(this.#health, this.#options.clock.now()), { because: 'connections-lost', code: codeOf(error) })
  }

  wasChecked (isGood: boolean): void {
    this.#learn(afterCheck(this.#health, this.#options.clock.now(), isGood), { because: 'checks' })
  }

  #learn (health: ServerHealth, why: { readonly because?: string, readonly code?: string | undefined } = {}): void {
    const wasIn = this.#health.standing === 'in'
    this.#health = health
    const isIn = health.standing === 'in'
    if (isIn === wasIn) return
    const upstream = this.name
    if (isIn) this.#options.log('info', { event: 'upstream.server-back', upstream }, 'a server of the application is back')
    else this.#options.log('warn', { event: 'upstream.server-out', upstream, ...why }, 'a server of the application gets no requests')
  }

  async destroy (): Promise<void> {
    await Promise.all([this.#pool, ...this.#quickPools.values()].map((pool) => pool.destroy()))
  }
}

/**
 * Without pipelining, so that a lost connection takes one request with it and undici has none to send a second time (T-41). Verified
 * whatever the environment says (C-47). The body of an answer may pause for as long as it likes: event streams do.
 */
function openPool ({ origin, socketPath }: UpstreamAddress, options: UpstreamOptions, connectTimeout: number): Pool {
  const { authorities, certificate, key } = options
  return new Pool(origin, {
    pipelining: 1,
    allowH2: false,
    bodyTimeout: 0,
    connectTimeout,
    ...(socketPath !== undefined && { socketPath }),
    connect: {
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(authorities !== undefined && { ca: authorities }),
      ...(certificate !== undefined && key !== undefined && { cert: certificate, key: key.reveal() }),
    },
  })
}
