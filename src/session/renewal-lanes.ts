import type { Clock } from '../base/clock.ts'
import type { TenantId } from '../directory/model.ts'

/** Renewals that a gateway asks of one authorization server at the same time; sign-ins have connections of their own left beside them. */
export const lanesPerServer = 8

/** `silent`: the server failed a moment ago, or the gateway closes. `asked`: it named a time before which it wants no call. */
export type Barrier = 'silent' | 'asked'

type Go = (barrier: Barrier | undefined) => void

interface Road {
  running: number
  /** Those for whom a person waits, who go first, and the others; each in the order in which they came. */
  readonly awaited: Set<Go>
  readonly beside: Set<Go>
  closedUntil: number
  isAsked: boolean
}

/**
 * The way to each tenant's authorization server. After an outage ten thousand sessions want to be renewed at once: so many go side by
 * side, the rest one after another. While the server is silent nobody queues for it, and a `Retry-After` holds for all sessions, since
 * it is the client that is asked to wait.
 */
export class RenewalLanes {
  readonly #clock: Clock
  readonly #roads = new Map<TenantId, Road>()
  #isShut = false

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /**
   * Waits for a free lane.
   *
   * @param isAwaited a person waits for the outcome: goes first, and tries a silent server too
   * @returns a function to leave the lane by, or what bars the way
   */
  async enter (tenantId: TenantId, isAwaited: boolean): Promise<(() => void) | Barrier> {
    const road = this.#roads.get(tenantId) ?? { running: 0, awaited: new Set(), beside: new Set(), closedUntil: 0, isAsked: false }
    this.#roads.set(tenantId, road)
    const barrier = this.#barrierOf(road, isAwaited)
    if (barrier !== undefined) return barrier
    if (road.running < lanesPerServer) road.running += 1
    else {
      const told = await new Promise<Barrier | undefined>((resolve) => { (isAwaited ? road.awaited : road.beside).add(resolve) })
      if (told !== undefined) return told
    }
    return () => { this.#leave(tenantId, road) }
  }

  /** The server was silent, or asked for time: who waits in vain is told at once. */
  close (tenantId: TenantId, until: number, isAsked: boolean): void {
    const road = this.#roads.get(tenantId)
    if (road === undefined || until <= road.closedUntil) return
    road.closedUntil = until
    road.isAsked = isAsked
    this.#clear(road)
  }

  /** The server has answered. */
  open (tenantId: TenantId): void {
    const road = this.#roads.get(tenantId)
    if (road !== undefined && !road.isAsked) road.closedUntil = 0
  }

  /** Nobody enters any more. */
  shut (): void {
    this.#isShut = true
    for (const road of this.#roads.values()) this.#clear(road)
  }

  #barrierOf (road: Road, isAwaited: boolean): Barrier | undefined {
    if (this.#isShut) return 'silent'
    if (this.#clock.now() >= road.closedUntil) return undefined
    return road.isAsked ? 'asked' : isAwaited ? undefined : 'silent'
  }

  #clear (road: Road): void {
    for (const [queue, isAwaited] of [[road.awaited, true], [road.beside, false]] as const) {
      const barrier = this.#barrierOf(road, isAwaited)
      if (barrier === undefined) continue
      for (const go of queue) go(barrier)
      queue.clear()
    }
  }

  #leave (tenantId: TenantId, road: Road): void {
    const queue = road.awaited.size > 0 ? road.awaited : road.beside
    const [next] = queue
    if (next !== undefined) {
      queue.delete(next)
      next(undefined)
      return
    }
    road.running -= 1
    if (road.running === 0 && this.#clock.now() >= road.closedUntil) this.#roads.delete(tenantId)
  }
}
