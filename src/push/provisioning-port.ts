import type { OrderKey } from '../directory/instance.ts'
import type { InstanceId, Realm } from '../directory/model.ts'

/** Whether the present use of an instance fits what shall be bought instead. */
export interface ChangeQuestion {
  readonly realm: Realm
  readonly instanceId: InstanceId
  /** As it came: its members are not documented (sync.md §6, row 20). */
  readonly productInfo: unknown
}

export type ChangeAnswer =
  | { readonly kind: 'fits' }
  /** The marketplace gets to read the reason. */
  | { readonly kind: 'unfit', readonly reason: string }
  /** Nobody could say. */
  | { readonly kind: 'failed' }

/** Who is asked beside the directory while the marketplace waits; each part is absent if the seller has not set it up. */
export interface Provisioning {
  /**
   * Tells the seller's system what waits for this instance. Resolves when its answer is committed, or when there is none in time.
   * With it, an instance is ready only once the seller's system says so.
   */
  readonly wake?: (instanceId: InstanceId) => Promise<void>
  readonly askChange?: (question: ChangeQuestion) => Promise<ChangeAnswer>
  /** Asks the marketplace what an order bought and commits it. */
  readonly refreshPurchase?: (order: OrderKey) => Promise<void>
}
