import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Instance, Order, OrderType } from './instance.ts'
import type { MarketplaceState } from './marketplace-state.ts'

const rememberedOrders = 1_000

/** Makes an order about an instance, as the instance is after it. The oldest is forgotten when there are too many. */
export function addOrder (state: MarketplaceState, clock: Clock, instance: Omit<Instance, 'orderId'>, type: OrderType): Order {
  const order: Order = {
    orderId: `CS${randomBytes(5).toString('hex').toUpperCase()}`,
    type,
    createdAt: clock.now(),
    chargingMode: 'PERIOD',
    periodType: instance.isTrial ? 'day' : 'year',
    expiresAt: instance.expiresAt,
    productId: instance.productId,
    skuCode: instance.skuCode,
    customerName: state.enterprises.get(instance.enterpriseCode)?.name ?? '',
  }
  state.orders.set(order.orderId, order)
  const [oldest] = state.orders.keys()
  if (state.orders.size > rememberedOrders && oldest !== undefined) state.orders.delete(oldest)
  return order
}

/** The orders that exist for debugging (sync.md §4.11). */
const mockOrders: Readonly<Record<string, Pick<Order, 'type' | 'chargingMode' | 'periodType'>>> = {
  MOCKPERIODYEARNEW: { type: 'NEW', chargingMode: 'PERIOD', periodType: 'year' },
  MOCKONETIMENEW: { type: 'NEW', chargingMode: 'ONE_TIME', periodType: '' },
  MOCKONDEMAND: { type: 'NEW', chargingMode: 'ON_DEMAND', periodType: '' },
  MOCKONDEMANDPKG: { type: 'NEW', chargingMode: 'ON_DEMAND_PKG', periodType: '' },
  MOCKPERIODDAYTRIAL: { type: 'TRIAL', chargingMode: 'PERIOD', periodType: 'day' },
  MOCKMONTYTRIALTOFORMAL: { type: 'TRIAL_TO_FORMAL', chargingMode: 'PERIOD', periodType: 'month' },
  MOCKMONTYUNSUBSCRIBE: { type: 'UNSUBSCRIBE', chargingMode: 'PERIOD', periodType: 'month' },
  MOCKMONTYRENEW: { type: 'RENEW', chargingMode: 'PERIOD', periodType: 'month' },
  MOCKMONTYCHANGE: { type: 'CHANGE', chargingMode: 'PERIOD', periodType: 'month' },
}

/** An order made here, or one of the mock orders. */
export function findOrder (state: MarketplaceState, orderId: string, now: number): Order | undefined {
  const mock = Object.hasOwn(mockOrders, orderId) ? mockOrders[orderId] : undefined
  if (mock === undefined) return state.orders.get(orderId)
  const expiresAt = mock.periodType === '' ? undefined : now + 30 * 24 * 3_600_000
  return { ...mock, orderId, createdAt: now, expiresAt, productId: 'OFFI461867333479178240', skuCode: 'sku-basic', customerName: 'mock' }
}
