import { z } from 'zod'
import type { InstanceId } from '../../directory/model.ts'
import { illegal } from '../kit/wire-members.ts'
import type { ProductionInterface } from './production-interface.ts'
import { instanceId, testFlag } from './wire-members.ts'

const mostInstances = 100

// "String(100)" and "100 instances" don't fit together: room for a hundred ids of 64 characters and their commas (sync.md §4.2).
const instanceIds = z.string().max(6500)
  .transform((list) => list.split(',').map((id) => id.trim()))
  .pipe(z.array(instanceId).max(mostInstances))
  .transform((ids): readonly InstanceId[] => [...new Set(ids)])

const members = z.object({ instanceId: instanceIds, testFlag })

const read: ProductionInterface['read'] = (body) => {
  const read = members.safeParse(body)
  // The table's name alone: which of a hundred ids it was says nothing to the marketplace.
  if (!read.success) return { ...illegal(read.error), member: 'instanceId' }
  return { kind: 'query', realm: read.data.testFlag, instanceIds: read.data.instanceId }
}

/** 查询实例信息 (sync.md §4.2). */
export const queryInstanceV2: ProductionInterface = { activity: 'queryInstance', generation: 'v2', read }

export const queryInstanceV1: ProductionInterface = { activity: 'queryInstance', generation: 'v1', read }
