import { z } from 'zod'
import { illegal } from '../kit/wire-members.ts'
import { instanceMessage, type ProductionInterface } from './production-interface.ts'
import { instanceId, orderId, testFlag } from './wire-members.ts'

const bodyV2 = z.object({ instanceId, testFlag, status: z.enum(['FREEZE', 'UNFREEZE']) })
const parametersV1 = z.object({ instanceId, testFlag, instanceStatus: z.enum(['FREEZE', 'NORMAL']) })
const expiryV1 = z.object({ instanceId, testFlag, orderId })

/** 更新实例状态 (sync.md §4.4). */
export const updateInstanceStatusV2: ProductionInterface = {
  activity: 'updateInstanceStatus',
  generation: 'v2',
  read (members, context) {
    const read = bodyV2.safeParse(members)
    if (!read.success) return illegal(read.error)
    return instanceMessage(read.data, context, { kind: 'status', status: read.data.status === 'FREEZE' ? 'frozen' : 'normal' })
  },
}

/** 资源状态变更 (sync.md §4.4). */
export const instanceStatusV1: ProductionInterface = {
  activity: 'instanceStatus',
  generation: 'v1',
  read (members, context) {
    const read = parametersV1.safeParse(members)
    if (!read.success) return illegal(read.error)
    return instanceMessage(read.data, context, { kind: 'status', status: read.data.instanceStatus === 'FREEZE' ? 'frozen' : 'normal' })
  },
}

/** 商品过期: V2 freezes instead (sync.md §4.4). */
export const expireInstanceV1: ProductionInterface = {
  activity: 'expireInstance',
  generation: 'v1',
  read (members, context) {
    const read = expiryV1.safeParse(members)
    return read.success ? instanceMessage(read.data, context, { kind: 'status', status: 'expired' }) : illegal(read.error)
  },
}
