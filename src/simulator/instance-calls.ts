import { randomUUID } from 'node:crypto'
import { formatWireTime } from '../push/signature/wire-time.ts'
import { orderLineIdOf, type Instance, type Order } from './instance.ts'
import type { BasePush, Generation } from './push.ts'

/** Why refreshInstance is called (sync.md §4.3). */
export const scenes = ['RENEWAL', 'TRIAL_TO_FORMAL', 'UNSUBSCRIBE_RENEWAL_PERIOD', 'RENEWAL_CHANGE'] as const

export type Scene = (typeof scenes)[number]

interface CreationEvent { readonly kind: 'create' | 'query' }

/** What a base interface is called for. */
export type InstanceEvent =
  | CreationEvent
  | { readonly kind: 'unfreeze' }
  | { readonly kind: 'refresh', readonly scene: Scene, readonly order: Order }
  | { readonly kind: 'freeze', readonly because: 'expired' | 'violation' }
  /** Without an order: the freeze ended. */
  | { readonly kind: 'release', readonly order: Order | undefined }
  | { readonly kind: 'upgrade' | 'notify', readonly order: Order }

type Members = BasePush['members']

/** The members of a base call; `undefined` where V1 knows no such call, which is orderNotify alone. */
export function instanceMembers (generation: Generation, instance: Instance, event: CreationEvent, customerName: string): Members
export function instanceMembers (
  generation: Generation, instance: Instance, event: InstanceEvent, customerName: string,
): Members | undefined
export function instanceMembers (
  generation: Generation, instance: Instance, event: InstanceEvent, customerName: string,
): Members | undefined {
  const members = generation === 'v2' ? v2Members(instance, event) : v1Members(instance, event, customerName)
  // Newer pages leave the flag out where it isn't 1 (sync.md §4.0); orderNotify always has it.
  return members === undefined || !instance.isTest ? members : { ...members, testFlag: '1' }
}

function v2Members ({ orderId, instanceId, productId, expiresAt }: Instance, event: InstanceEvent): Members {
  switch (event.kind) {
    case 'create': return { activity: 'newInstance', ...lineOf(orderId), businessId: randomUUID() }
    case 'query': return { activity: 'queryInstance', instanceId }
    case 'refresh': {
      const { scene, order } = event
      return { activity: 'refreshInstance', scene, ...lineOf(order.orderId), instanceId, productId, expireTime: wireSeconds(expiresAt) }
    }
    case 'freeze': return { activity: 'updateInstanceStatus', instanceId, status: 'FREEZE' }
    case 'unfreeze': return { activity: 'updateInstanceStatus', instanceId, status: 'UNFREEZE' }
    case 'release': return { activity: 'releaseInstance', instanceId, ...(event.order === undefined ? {} : lineOf(event.order.orderId)) }
    case 'upgrade': return { activity: 'upgradeInstance', instanceId, ...lineOf(event.order.orderId) }
    case 'notify': return { activity: 'orderNotify', ...lineOf(event.order.orderId), testFlag: '0' }
  }
}

function v1Members (instance: Instance, event: InstanceEvent, customerName: string): Members | undefined {
  const { orderId, instanceId, productId, skuCode, expiresAt, isTrial } = instance
  const period = { periodType: isTrial ? 'day' : 'year', periodNumber: isTrial ? '30' : '1' }
  switch (event.kind) {
    case 'create': {
      const trial = isTrial ? { trialFlag: '1' } : {}
      const product = { skuCode, productId, expireTime: wireSeconds(expiresAt), chargingMode: '1', ...period, ...trial }
      const customer = { customerId: instance.enterpriseCode, customerName }
      return { activity: 'newInstance', businessId: randomUUID(), orderId, ...customer, ...product }
    }
    case 'query': return { activity: 'queryInstance', instanceId }
    case 'refresh': {
      const formal = event.scene === 'TRIAL_TO_FORMAL' ? { trialToFormal: '1' } : {}
      const order = { orderId: event.order.orderId, productId: event.order.productId }
      return { activity: 'refreshInstance', instanceId, ...order, expireTime: wireSeconds(expiresAt), ...period, ...formal }
    }
    case 'freeze': return event.because === 'expired'
      ? { activity: 'expireInstance', instanceId, orderId }
      : { activity: 'instanceStatus', instanceId, instanceStatus: 'FREEZE' }
    case 'unfreeze': return { activity: 'instanceStatus', instanceId, instanceStatus: 'NORMAL' }
    case 'release': return { activity: 'releaseInstance', instanceId, orderId }
    case 'upgrade': return { activity: 'upgrade', instanceId, orderId: event.order.orderId, skuCode: event.order.skuCode, productId }
    case 'notify': return undefined
  }
}

const lineOf = (orderId: string): { orderId: string, orderLineId: string } => ({ orderId, orderLineId: orderLineIdOf(orderId) })

/** `yyyyMMddHHmmss` in UTC. */
const wireSeconds = (time: number): string => formatWireTime(time, 'utc').slice(0, 14)
