import type { OrderKey } from '../directory/instance.ts'
import type { InstanceId } from '../directory/model.ts'
import type { AskChange } from '../provisioning/ask-change.ts'

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
