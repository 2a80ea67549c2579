import { z } from 'zod'
import { illegal, present } from '../kit/wire-members.ts'
import { instanceMessage, type ProductionInterface } from './production-interface.ts'
import { expireTime, instanceId, optionalOrBlank, orderHead, orderId, productId, testFlag } from './wire-members.ts'

// Four are known and one of them is new: what comes next moves the paid time all the same (sync.md §4.3).
const scene = z.string().regex(/^[A-Z][A-Z_]{0,63}$/)

const bodyV2 = z.object({ ...orderHead, scene, expireTime, productId })

const parametersV1 = z.object({ instanceId, orderId, expireTime, productId, testFlag, trialToFormal: optionalOrBlank(z.string().max(2)) })

/** 更新实例: renewal, trial to formal, a renewal cancelled (sync.md §4.3). */
export const refreshInstanceV2: ProductionInterface = {
  activity: 'refreshInstance',
  generation: 'v2',
  read (members, context) {
    const read = bodyV2.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { scene, orderId, orderLineId, expireTime: expiresAt, productId } = read.data
    return instanceMessage(read.data, context, { kind: 'renew', scene, order: { orderId, orderLineId }, expiresAt, ...present({ productId }) })
  },
}

/** 商品续费 (sync.md §4.3). */
export const refreshInstanceV1: ProductionInterface = {
  activity: 'refreshInstance',
  generation: 'v1',
  read (members, context) {
    const read = parametersV1.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { trialToFormal, orderId, expireTime: expiresAt, productId } = read.data
    const scene = trialToFormal === '1' ? 'TRIAL_TO_FORMAL' : 'RENEWAL'
    return instanceMessage(read.data, context, { kind: 'renew', scene, order: { orderId, orderLineId: '' }, expiresAt, ...present({ productId }) })
  },
}
