import { z } from 'zod'
import { illegal } from '../kit/wire-members.ts'
import type { ProductionInterface } from './production-interface.ts'
import { instanceId, testFlag } from './wire-members.ts'

// Its members are in no copy that we have: whoever knows the product judges them (sync.md §4.7).
const bodyV2 = z.object({ instanceId, testFlag, productInfo: z.record(z.string(), z.unknown()) })

/** 续费变更校验: whether the use fits what shall be bought instead (sync.md §4.7). */
export const changeInstanceCheckV2: ProductionInterface = {
  activity: 'changeInstanceCheck',
  generation: 'v2',
  read (members) {
    const read = bodyV2.safeParse(members)
    if (!read.success) return illegal(read.error)
    const { testFlag: realm, instanceId, productInfo } = read.data
    return { kind: 'change-check', realm, instanceId, productInfo }
  },
}
