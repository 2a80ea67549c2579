import type { InstanceId, PushVersion } from './model.ts'

/** What was bought once: an order and its line (`''` where the interface names none). Tells purchases apart (sync.md §4.1). */
export interface OrderKey {
  readonly orderId: string
  /** `orderLineId`; of a V1 pay-per-use order its `productId`. */
  readonly orderLineId: string
}

/** What the marketplace says of the contract: `expired` is V1's word for the end of the paid time. */
export type ContractStatus = 'normal' | 'frozen' | 'expired'

/** One order that set the paid time or the size of an instance. The version is that of its first message: a retry moves nothing. */
export interface InstanceOrder {
  readonly version: PushVersion
  /** `create`, `upgrade`, or the scene of a refreshInstance. */
  readonly scene: string
  /** Epoch ms; absent if the order says nothing of time. */
  readonly expiresAt?: number
  readonly productId?: string
}

/** Where people open the instance, as queryInstance answers it (sync.md §4.2). */
export interface InstanceAccess {
  readonly frontEndUrl: string
  readonly adminUrl?: string
  readonly memo?: string
}

export interface InstanceUsage {
  readonly usageValue: number
  /** Epoch ms. */
  readonly statisticalTime: number
  readonly relatedInstanceId?: string
  readonly dashboardUrl?: string
}

/** The customer as V1 names him. Personal: gone at erasure. */
export interface Buyer {
  readonly customerId?: string
  readonly customerName?: string
  readonly userId?: string
  readonly userName?: string
  readonly mobilePhone?: string
  readonly email?: string
}

/** What the order query answered about the order, as it came but for its shape (sync.md §4.11). */
export interface Purchase {
  readonly orderId: string
  readonly orderType: string
  readonly chargingMode?: string
  readonly periodType?: string
  readonly periodNumber?: number
  readonly products: readonly { readonly productId: string, readonly skuCode?: string, readonly name?: string, readonly amount?: number }[]
}

/** What the seller's system answered; `undefined` members leave what is there. */
export type ProvisioningReport =
  | {
    readonly kind: 'ready'
    /** Taken only while the marketplace has not been told another. */
    readonly instanceId?: InstanceId
    readonly frontEndUrl?: string
    readonly adminUrl?: string
    readonly memo?: string
    readonly usage?: readonly InstanceUsage[]
  }
  | { readonly kind: 'refused', readonly reason: string }

/** A purchase and what became of it. Key: instance alone; it may serve several tenants. */
export interface Instance {
  readonly instanceId: InstanceId
  /** The order that made it. */
  readonly order: OrderKey
  readonly businessId: string
  /** Of the first newInstance. */
  readonly version: PushVersion
  /** Whether the marketplace knows the id: then nothing may change it. */
  readonly isTold: boolean
  readonly provisioning: 'pending' | 'ready' | 'refused'
  /** Why the seller's system refused. */
  readonly refusal?: string
  readonly access: InstanceAccess
  readonly usage: readonly InstanceUsage[]
  readonly status: { readonly value: Exclude<ContractStatus, 'expired'>, readonly version: PushVersion | '' }
  /** The newest word of V1 that the paid time is over, `''` if none came. Apart from `status`: it must not lift a freeze. */
  readonly expired: PushVersion | ''
  /** By scene, order and line. The newest one that names a time says until when is paid. */
  readonly orders: Readonly<Record<string, InstanceOrder>>
  /** The newest releaseInstance, `''` if none came. Nothing revives a released instance outside the test realm. */
  readonly released: PushVersion | ''
  /** As of rows of a tenant: the newest message that took access away. */
  readonly lastLoss: PushVersion | ''
  readonly buyer?: Buyer
  readonly purchase?: Purchase
}

/** Events of an instance that the seller's system is told of, in the words of its hook. */
export const instanceEventTypes = [
  'instance.created', 'instance.renewed', 'instance.frozen', 'instance.unfrozen', 'instance.expired', 'instance.upgraded', 'instance.released',
] as const

export type InstanceEventType = (typeof instanceEventTypes)[number]

export interface InstanceEvent {
  /** The same for the same event, however often it is told (Standard Webhooks `webhook-id`). */
  readonly id: string
  readonly type: InstanceEventType
  readonly instanceId: InstanceId
  readonly occurredAt: PushVersion
  /** The order that caused it, where one did. */
  readonly order?: OrderKey
  /** The members that go with the type: `scene`, `productId`, `expiresAt`, details of an upgrade. */
  readonly details: Readonly<Record<string, string | number>>
}
