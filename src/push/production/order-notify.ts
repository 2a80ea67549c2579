import { z } from 'zod'
import { illegal } from '../kit/wire-members.ts'
import type { ProductionInterface } from './production-interface.ts'
import { orderId, orderLineId, testFlag } from './wire-members.ts'

const bodyV2 = z.object({ orderId, orderLineId, testFlag })

/** 订单通知: something about an order is new; what, is asked for (sync.md §4.8). */
export const orderNotifyV2: ProductionInterface = {
  activity: 'orderNotify',
  generation: 'v2',
  read (members) {
    const read = bodyV2.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { testFlag: realm, orderId, orderLineId } = read.data
    return { kind: 'order-notice', realm, order: { orderId, orderLineId } }
  },
}
