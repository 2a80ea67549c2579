import { hash } from 'node:crypto'
import { z } from 'zod'
import type { Buyer, OrderKey } from '../../directory/instance.ts'
import type { InstanceId, Realm } from '../../directory/model.ts'
import { filled, illegal, present } from '../kit/wire-members.ts'
import { instanceMessage, type ProductionContext, type ProductionInterface, type ProductionReading } from './production-interface.ts'
import { expireTime, incidental, instanceId, optionalOrBlank, orderId, orderLineId, productId, testFlag } from './wire-members.ts'

// The advice of the tables: the first request's businessId becomes the instance's id.
const businessId = instanceId

const bodyV2 = z.object({ orderId, orderLineId, businessId, testFlag })

const parametersV1 = z.object({
  orderId,
  businessId,
  productId,
  testFlag,
  expireTime: optionalOrBlank(expireTime),
  chargingMode: optionalOrBlank(filled(3)),
  customerId: filled(100),
  // Mandatory in one copy of the table, optional in another (sync.md §4.1).
  customerName: incidental(filled(64)),
  userId: incidental(filled(64)),
  userName: incidental(filled(64)),
  mobilePhone: incidental(filled(1024)),
  email: incidental(filled(1024)),
})
  // What was bought on demand is told apart by its product.
  .refine(({ chargingMode, productId }) => chargingMode !== onDemand || productId !== undefined, { path: ['productId'] })

const onDemand = '0'

/** 创建实例 (sync.md §4.1). */
export const newInstanceV2: ProductionInterface = {
  activity: 'newInstance',
  generation: 'v2',
  read (members, context) {
    const read = bodyV2.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { businessId, testFlag, orderId, orderLineId } = read.data
    return creation({ businessId, realm: testFlag, order: { orderId, orderLineId } }, context)
  },
}

/** 新购商品 (sync.md §4.1): says itself what V2 has to be asked for. */
export const newInstanceV1: ProductionInterface = {
  activity: 'newInstance',
  generation: 'v1',
  read (members, context) {
    const read = parametersV1.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { businessId, testFlag, orderId, productId, chargingMode, expireTime: expiresAt, ...named } = read.data
    const order = { orderId, orderLineId: chargingMode === onDemand ? productId ?? '' : '' }
    return creation({ businessId, realm: testFlag, order, ...present({ productId, expiresAt }), buyer: buyerOf(named, context) }, context)
  },
}

interface Purchased {
  readonly realm: Realm
  readonly businessId: InstanceId
  readonly order: OrderKey
  readonly productId?: string
  readonly expiresAt?: number
  readonly buyer?: Buyer
}

function creation ({ realm, businessId, ...purchased }: Purchased, context: ProductionContext): ProductionReading {
  const spareInstanceId = spareIdOf(realm, purchased.order)
  // queryInstance separates ids by commas: it could never ask for such a one.
  const instanceId = businessId.includes(',') ? spareInstanceId : businessId
  return instanceMessage({ testFlag: realm, instanceId }, context, {
    kind: 'create',
    ...purchased,
    businessId,
    spareInstanceId,
    // Debugging never reaches the seller's system (C-60).
    provisioning: context.hasHook && realm === 'production' ? 'pending' : 'ready',
    frontEndUrl: context.frontEndUrl,
  })
}

/** Sealed where it can be: what doesn't open is left out. */
function buyerOf (named: { [Name in keyof Buyer]?: Buyer[Name] | undefined }, { openField }: ProductionContext): Buyer {
  const open = (name: 'mobilePhone' | 'email'): string | undefined => {
    const sealed = named[name]
    return sealed === undefined ? undefined : openField(name, sealed)
  }
  return present({ ...named, mobilePhone: open('mobilePhone'), email: open('email') })
}

/** The same for the same order, so that a replay of the pushes names it alike. In the form of the marketplace's own ids. */
function spareIdOf (realm: Realm, { orderId, orderLineId }: OrderKey): InstanceId {
  const digest = hash('sha256', JSON.stringify([realm, orderId, orderLineId]))
  return digest.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5') as InstanceId
}
