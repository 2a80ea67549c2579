import type { Generation } from './push.ts'

/** How long the marketplace repeats a failed call, counted from the first one. */
export interface RetryRule {
  readonly everyMilliseconds: number
  readonly forMilliseconds: number
}

/** A call that failed and will be made again. */
export interface Delivery {
  readonly key: string
  readonly occasion: string
  /** Epoch ms of the first attempt. */
  readonly startedAt: number
  readonly attempts: number
  /** Epoch ms. */
  readonly nextAt: number
}

const minute = 60_000
const hour = 60 * minute

/** V2 newInstance: every 2 minutes for 2 h (sync.md §4.1). */
const twoHours: RetryRule = { everyMilliseconds: 2 * minute, forMilliseconds: 2 * hour }
/** V1 newInstance and upgrade: 60 times, every 3 minutes; other copies say hourly (sync.md §4.1, §4.6). */
const sixtyTimes: RetryRule = { everyMilliseconds: 3 * minute, forMilliseconds: 3 * hour }
/** No interval is documented for these; where the documents know two ends, this is the earlier one. */
const oneHour: RetryRule = { everyMilliseconds: 2 * minute, forMilliseconds: hour }
const threeHours: RetryRule = { everyMilliseconds: 2 * minute, forMilliseconds: 3 * hour }

const rules: Readonly<Record<string, Readonly<Record<Generation, RetryRule | undefined>>>> = {
  newInstance: { v2: twoHours, v1: sixtyTimes },
  queryInstance: { v2: twoHours, v1: undefined },
  refreshInstance: { v2: oneHour, v1: oneHour },
  updateInstanceStatus: { v2: oneHour, v1: oneHour },
  instanceStatus: { v2: undefined, v1: oneHour },
  expireInstance: { v2: undefined, v1: oneHour },
  // Once, say two sources, an hour say others: an application must manage with the harder one (sync.md §4.5).
  releaseInstance: { v2: undefined, v1: undefined },
  upgradeInstance: { v2: undefined, v1: undefined },
  upgrade: { v2: undefined, v1: sixtyTimes },
  orderNotify: { v2: threeHours, v1: undefined },
}

/** @returns `undefined` for what is called once (sync.md §4.9) */
export function retryRule (activity: string, generation: Generation): RetryRule | undefined {
  return rules[activity]?.[generation]
}
