import type { Clock } from '../base/clock.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { InstanceEvent, OrderKey, Purchase } from '../directory/instance.ts'
import type { InstanceId } from '../directory/model.ts'
import type { OrderQuery } from './order-query.ts'
import type { WriteProvisioningLog } from './provisioning-log.ts'
import { versionAt } from '../directory/push-version.ts'
import type { Schedule } from '../base/schedule.ts'

export interface LearnPurchaseOptions {
  readonly orders: Pick<OrderQuery, 'find'>
  readonly directory: Pick<DirectoryStore, 'commit' | 'findInstances' | 'findInstanceOfOrder'>
  readonly clock: Clock
  readonly schedule: Schedule
  readonly log: WriteProvisioningLog
}

/** A failing order query is not waited for longer than this; it goes on in the background. */
const patienceMilliseconds = 2_000
/** It only adds to what is sold already, so a few more tries are enough. The next event asks again. */
const pauseMilliseconds = [30_000, 120_000, 600_000, 3_600_000] as const

interface Search {
  readonly order: OrderKey
  /** The try under way; settled between two. */
  attempt: Promise<void>
  /** Calls off the next try. */
  cancel: () => void
}

/** Asks the marketplace what was bought and keeps the answer with the instance (sync.md §4.11). */
export class LearnPurchase {
  readonly #options: LearnPurchaseOptions
  /** The newest order of each instance that is being asked for. */
  readonly #searches = new Map<InstanceId, Search>()
  readonly #underWay = new Set<Promise<void>>()
  #isClosed = false

  constructor (options: LearnPurchaseOptions) {
    this.#options = options
  }

  /** Before an event is told: what its order brought, if that is known within 2 s. Never rejects. */
  async enrich ({ type, instanceId, order }: InstanceEvent): Promise<void> {
    // Only these say that something else was bought.
    if (order === undefined || (type !== 'instance.created' && type !== 'instance.upgraded')) return
    const search = this.#searches.get(instanceId)
    if (search !== undefined && isSameOrder(search.order, order)) await this.#waitFor(search.attempt)
    else await this.learn(instanceId, order)
  }

  /** For an order that the marketplace has told of. Resolves when the order is known or cannot be now, after 2 s at most; never rejects. */
  async learn (instanceId: InstanceId, order: OrderKey): Promise<void> {
    if (this.#isClosed) return
    this.#searches.get(instanceId)?.cancel()
    const search: Search = { order, attempt: Promise.resolve(), cancel: () => {} }
    this.#searches.set(instanceId, search)
    this.#try(instanceId, search, 0)
    await this.#waitFor(search.attempt)
  }

  /** Calls off what is planned and waits for what is under way. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const search of this.#searches.values()) search.cancel()
    await Promise.all(this.#underWay)
  }

  async #waitFor (attempt: Promise<void>): Promise<void> {
    let stopWaiting = (): void => {}
    const patience = new Promise<void>((resolve) => { stopWaiting = this.#options.schedule(patienceMilliseconds, resolve) })
    await Promise.race([attempt, patience])
    stopWaiting()
  }

  #try (instanceId: InstanceId, search: Search, tries: number): void {
    const attempt = this.#ask(instanceId, search, tries).finally(() => { this.#underWay.delete(attempt) })
    this.#underWay.add(attempt)
    search.attempt = attempt
  }

  async #ask (instanceId: InstanceId, search: Search, tries: number): Promise<void> {
    const { schedule, log } = this.#options
    const failure = await this.#tryOnce(instanceId, search)
    // A newer order has taken its place meanwhile.
    if (this.#searches.get(instanceId) !== search) return
    const pause = pauseMilliseconds[tries]
    if (failure === undefined || pause === undefined || this.#isClosed) this.#searches.delete(instanceId)
    else search.cancel = schedule(pause, () => { this.#try(instanceId, search, tries + 1) })
    if (failure === undefined) return
    const level = pause === undefined ? 'error' : 'warn'
    log(level, { event: 'order-query.failed', instanceId, orderId: search.order.orderId, tries: tries + 1, ...failure }, 'the order query brought nothing')
  }

  /** What went wrong, as members of a log line. */
  async #tryOnce (instanceId: InstanceId, search: Search): Promise<Record<string, unknown> | undefined> {
    const { orders, directory } = this.#options
    try {
      const [instance] = await directory.findInstances('production', [instanceId])
      if (instance?.purchase?.orderId === search.order.orderId) return undefined
      const { kind, ...answer } = await orders.find(search.order)
      if (!('purchase' in answer)) {
        const { cause, ...failure } = answer
        return { kind, ...failure, err: cause }
      }
      if (this.#searches.get(instanceId) === search) await this.#keep(instanceId, search.order, answer.purchase)
      return undefined
    } catch (err) {
      return { err }
    }
  }

  async #keep (instanceId: InstanceId, order: OrderKey, purchase: Purchase): Promise<void> {
    const { directory, clock } = this.#options
    const commit = (id: InstanceId) => directory.commit({
      kind: 'instance', realm: 'production', version: versionAt(clock.now()), instanceId: id, change: { kind: 'purchase', purchase },
    })
    const outcome = await commit(instanceId)
    if (outcome.kind !== 'instance-unknown') return
    // The seller's system has given the instance another id meanwhile.
    const renamed = await directory.findInstanceOfOrder('production', order)
    if (renamed !== undefined) await commit(renamed.instanceId)
  }
}

function isSameOrder (a: OrderKey, b: OrderKey): boolean {
  return a.orderId === b.orderId && a.orderLineId === b.orderLineId
}
