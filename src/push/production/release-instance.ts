import { z } from 'zod'
import { illegal, present } from '../kit/wire-members.ts'
import { instanceMessage, type ProductionInterface } from './production-interface.ts'
import { incidental, instanceId, orderId, testFlag } from './wire-members.ts'

// Which order V2 names here its pages don't agree on, and nothing hangs on it (sync.md §4.5).
const bodyV2 = z.object({ instanceId, testFlag, orderId: incidental(orderId) })
const parametersV1 = z.object({ instanceId, testFlag, orderId })

const reader = (schema: typeof bodyV2 | typeof parametersV1): ProductionInterface['read'] => (members, context) => {
  const read = schema.safeParse(members)
  if (!read.success) return illegal(read.error)
  return instanceMessage(read.data, context, { kind: 'release', ...present({ orderId: read.data.orderId }) })
}

/** 释放实例: must work at the first call (sync.md §4.5). */
export const releaseInstanceV2: ProductionInterface = { activity: 'releaseInstance', generation: 'v2', read: reader(bodyV2) }

/** 商品资源释放 (sync.md §4.5). */
export const releaseInstanceV1: ProductionInterface = { activity: 'releaseInstance', generation: 'v1', read: reader(parametersV1) }
