import type { IncomingMessage } from 'node:http'
import { countedAddress, type ClientAddressOf } from '../base/client-address.ts'
import type { Clock } from '../base/clock.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'

export interface FailedCallsOptions {
  readonly rateLimiter: RateLimiter
  readonly clientAddressOf: ClientAddressOf
  readonly clock: Clock
  /** Calls without a good signature that one address may send in a minute before its large ones have to queue. */
  readonly perAddress: number
  readonly log: (level: 'warn' | 'error', line: Record<string, unknown>, message: string) => void
}

export interface FailedCalls {
  /** A call of this client carried no good signature. */
  note (request: IncomingMessage): void
  /**
   * Runs the verification of a body of so many bytes. A small one costs what any request costs and is run at once, whoever sends it.
   *
   * @returns `undefined` if it was not run: large bodies of a client that sends bad ones wait for one another, and too many wait
   */
  pass<Result> (request: IncomingMessage, bytes: number, verify: () => Promise<Result>): Promise<Result | undefined>
}

/** Beyond it to read and to canonicalise costs milliseconds. No documented call of a base interface is as long (sync.md §4). */
const smallBodyBytes = 65_536
const mostWaiting = 4
const mostKnown = 10_000

/**
 * Keeps a flood of bad pushes from taking the processor, without ever shutting out a good one: behind a proxy or a NAT the marketplace
 * itself may have the same address as whoever floods. So only what failed is counted, and what it costs a client is that its large
 * bodies are verified one after the other. One that finds the queue full is told to try again, as the marketplace does.
 */
export function createFailedCalls ({ rateLimiter, clientAddressOf, clock, perAddress, log }: FailedCallsOptions): FailedCalls {
  const overUntil = new Map<string, number>()
  const queues = new Map<string, { waiting: number, last: Promise<unknown> }>()

  const addressOf = (request: IncomingMessage): string => countedAddress(clientAddressOf(request))
  const isOver = (address: string): boolean => (overUntil.get(address) ?? 0) > clock.now()

  async function count (address: string): Promise<void> {
    const verdict = await rateLimiter.count('failed push', address, perAddress)
    if (verdict.kind === 'within' || isOver(address)) return
    if (overUntil.size >= mostKnown) overUntil.clear()
    overUntil.set(address, clock.now() + verdict.retryAfterSeconds * 1000)
    log('warn', { event: 'push.failures-limited', clientAddress: address, perAddress }, 'one address sends many calls without a good signature')
  }

  async function inTurn<Result> (address: string, verify: () => Promise<Result>): Promise<Result | undefined> {
    const queue = queues.get(address) ?? { waiting: 0, last: Promise.resolve() }
    if (queue.waiting >= mostWaiting) return undefined
    queues.set(address, queue)
    queue.waiting++
    const turn = queue.last.then(verify)
    queue.last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      if (--queue.waiting === 0) queues.delete(address)
    }
  }

  return {
    note (request) {
      const address = addressOf(request)
      if (isOver(address)) return
      count(address).catch((err: unknown) => { log('error', { event: 'push.background-fault', what: 'failed-calls', err }, 'a failed push was not counted') })
    },
    pass: (request, bytes, verify) => {
      if (bytes <= smallBodyBytes || overUntil.size === 0) return verify()
      const address = addressOf(request)
      return isOver(address) ? inTurn(address, verify) : verify()
    },
  }
}
