import { changeInstanceCheckV2 } from './change-instance-check.ts'
import { expireInstanceV1, instanceStatusV1, updateInstanceStatusV2 } from './instance-status.ts'
import { newInstanceV1, newInstanceV2 } from './new-instance.ts'
import { orderNotifyV2 } from './order-notify.ts'
import type { ProductionInterface } from './production-interface.ts'
import { queryInstanceV1, queryInstanceV2 } from './query-instance.ts'
import { refreshInstanceV1, refreshInstanceV2 } from './refresh-instance.ts'
import { releaseInstanceV1, releaseInstanceV2 } from './release-instance.ts'
import { upgradeInstanceV2, upgradeV1 } from './upgrade-instance.ts'

/** Every base interface that the gateway answers, told apart by `activity`. A new one is a file beside these and a line here. */
const productionInterfaces: readonly ProductionInterface[] = [
  newInstanceV2, queryInstanceV2, refreshInstanceV2, updateInstanceStatusV2, releaseInstanceV2, upgradeInstanceV2, changeInstanceCheckV2,
  orderNotifyV2,
  newInstanceV1, queryInstanceV1, refreshInstanceV1, instanceStatusV1, expireInstanceV1, releaseInstanceV1, upgradeV1,
]

export function findProductionInterface (generation: 'v1' | 'v2', activity: unknown): ProductionInterface | undefined {
  return productionInterfaces.find((each) => each.generation === generation && each.activity === activity)
}
