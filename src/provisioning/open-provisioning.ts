import type { Clock } from '../base/clock.ts'
import type { LeaseStore } from '../base/lease-store.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { OrderKey } from '../directory/instance.ts'
import type { InstanceId } from '../directory/model.ts'
import type { Outbox } from '../directory/outbox.ts'
import { createAskChange, type AskChange } from './ask-change.ts'
import { LearnPurchase } from './learn-purchase.ts'
import { openOrderQuery, type OrderQueryOptions } from './order-query.ts'
import { OutboxWorker } from './outbox-worker.ts'
import { openProvisioningHook, type ProvisioningOptions } from './provisioning-hook.ts'
import type { WriteProvisioningLog } from './provisioning-log.ts'
import { scheduleByTimer } from '../base/schedule.ts'

export interface OpenProvisioningOptions {
  readonly directory: DirectoryStore
  readonly outbox: Outbox
  readonly leases: LeaseStore
  readonly clock: Clock
  readonly dangerouslyAllowHttp: boolean
  readonly log: WriteProvisioningLog
  /** Absent: nobody is told and instances are ready at once. */
  readonly hook?: ProvisioningOptions
  /** Absent: orders are not asked for. */
  readonly orderQuery?: OrderQueryOptions
}

/** Who is asked beside the directory while the marketplace waits; each part is absent if the seller has not set it up. */
export interface Provisioning {
  /**
   * Tells the seller's system what waits for this instance. Resolves when its answer is committed, or when there is none in time.
   * With it, an instance is ready only once the seller's system says so.
   */
  readonly wake?: (instanceId: InstanceId) => Promise<void>
  readonly askChange?: AskChange
  /** Asks the marketplace what an order bought and commits it. */
  readonly refreshPurchase?: (order: OrderKey) => Promise<void>
}

export interface OpenedProvisioning extends Provisioning {
  /** As the store's, but the outbox is looked at after each change of an instance. */
  readonly commit: DirectoryStore['commit']
  /** Takes up what an earlier process has left. */
  start (): void
  close (): Promise<void>
}

/** Wires the hook, the outbox's delivery and the order query. The outbox is emptied also where nobody listens. */
export function openProvisioning (options: OpenProvisioningOptions): OpenedProvisioning {
  const { directory, outbox, leases, clock, log, dangerouslyAllowHttp } = options
  const hook = options.hook && openProvisioningHook({ ...options.hook, clock, dangerouslyAllowHttp })
  const orders = options.orderQuery && openOrderQuery({ ...options.orderQuery, clock, dangerouslyAllowHttp })
  const purchases = orders && new LearnPurchase({ orders, directory, clock, schedule: scheduleByTimer, log })
  const worker = new OutboxWorker({
    outbox,
    leases,
    directory,
    clock,
    log,
    schedule: scheduleByTimer,
    ...(hook && { hook }),
    ...(purchases && { enrich: (event) => purchases.enrich(event) }),
  })

  return {
    ...(hook && { wake: (instanceId) => worker.wake(instanceId), askChange: createAskChange({ hook, clock }) }),
    ...(purchases && { refreshPurchase: (order) => refresh(directory, purchases, order) }),
    async commit (push, receipt) {
      const outcome = await directory.commit(push, receipt)
      if (outcome.kind === 'committed' && push.kind === 'instance' && push.realm === 'production') void worker.wake(outcome.instance?.instanceId ?? push.instanceId, 0)
      return outcome
    },
    start: () => { worker.start() },
    async close () {
      await worker.close()
      await purchases?.close()
      await Promise.all([hook?.close(), orders?.close()])
    },
  }
}

/** orderNotify: an order that made no instance here is none of ours. */
async function refresh (directory: Pick<DirectoryStore, 'findInstanceOfOrder'>, purchases: LearnPurchase, order: OrderKey): Promise<void> {
  const instance = await directory.findInstanceOfOrder('production', order)
  if (instance !== undefined) await purchases.learn(instance.instanceId, order)
}
