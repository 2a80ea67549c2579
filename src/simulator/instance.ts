/** One purchase of the application, as the marketplace keeps it. */
export interface Instance {
  /** The order that bought it: its name here, also before the application has given it an id. */
  readonly orderId: string
  readonly enterpriseCode: string
  readonly isTest: boolean
  /** What the application answered to newInstance; `''` before. */
  instanceId: string
  state: 'ordered' | 'creating' | 'active' | 'frozen' | 'released' | 'failed'
  isTrial: boolean
  productId: string
  skuCode: string
  /** Epoch ms. */
  expiresAt: number
  /** Where the buyer's resource details lead; `''` until a query told. */
  frontEndUrl: string
  /** Whether it is bound to its enterprise (绑定企业). */
  isBound: boolean
}

/** As the order query names them (sync.md §4.11). */
export type OrderType = 'NEW' | 'TRIAL' | 'TRIAL_TO_FORMAL' | 'UNSUBSCRIBE' | 'RENEW' | 'CHANGE'

/** What the buyer ordered; each act that costs or refunds something has its own. */
export interface Order {
  readonly orderId: string
  readonly type: OrderType
  /** Epoch ms. */
  readonly createdAt: number
  readonly chargingMode: 'PERIOD' | 'ONE_TIME' | 'ON_DEMAND' | 'ON_DEMAND_PKG'
  /** `''` where nothing lasts for a period. */
  readonly periodType: 'year' | 'month' | 'day' | ''
  /** Epoch ms; `undefined` where nothing expires. */
  readonly expiresAt: number | undefined
  readonly productId: string
  readonly skuCode: string
  readonly customerName: string
}

export const orderLineIdOf = (orderId: string): string => `${orderId}-000001`

export const isAlive = ({ state }: Instance): boolean => state === 'active' || state === 'frozen'
