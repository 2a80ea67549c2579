import { z } from 'zod'
import type { Deliveries } from './deliveries.ts'
import type { Instance } from './instance.ts'
import { instanceMembers } from './instance-calls.ts'
import type { MarketplaceOptions } from './marketplace-options.ts'
import type { MarketplaceState, PushAnswer } from './marketplace-state.ts'
import type { BasePush } from './push.ts'

export interface CreationParts {
  readonly state: MarketplaceState
  readonly options: Pick<MarketplaceOptions, 'clock'>
  readonly deliveries: Deliveries
}

/**
 * newInstance until it succeeds, then in V2 queryInstance until it does (sync.md §0.2): both in one delivery, since the two hours
 * count from the purchase.
 */
export async function createInstance ({ state, deliveries }: CreationParts, instance: Instance): Promise<PushAnswer[]> {
  const answers: PushAnswer[] = []
  const key = `${instance.orderId} create`
  const wish = {
    key,
    push: () => writePush(state, instance),
    settle: (answer: PushAnswer) => settle(instance, answer),
    giveUp: () => {
      // An instance that is there and only tells no address is no failed order.
      if (instance.state === 'ordered' || instance.state === 'creating') instance.state = 'failed'
    },
  }
  const first = await deliveries.deliver(wish)
  answers.push(first)
  if (first.name !== 'newInstance' || first.generation === 'v1' || !first.isSuccess) return answers
  const query = await deliveries.retryNow(key)
  return query === undefined ? answers : [...answers, query]
}

function writePush ({ generation, enterprises }: MarketplaceState, instance: Instance): BasePush {
  const enterpriseName = enterprises.get(instance.enterpriseCode)?.name ?? ''
  const isKnown = instance.instanceId !== '' && generation === 'v2'
  const members = instanceMembers(generation, instance, { kind: isKnown ? 'query' : 'create' }, enterpriseName)
  const occasion = `${isKnown ? '查询实例 look at' : '购买 buy'} ${enterpriseName}`
  return { family: 'base', generation, occasion, isTest: instance.isTest, isAnswerAwaited: true, members }
}

const appInfo = z.object({ frontEndUrl: z.string().max(512) })
const creation = z.object({ instanceId: z.string().min(1).max(64), appInfo: appInfo.optional() })
const description = z.object({ info: z.array(z.object({ instanceId: z.string(), appInfo: appInfo.optional() })) })

function settle (instance: Instance, answer: PushAnswer): 'done' | 'again' {
  return answer.name === 'newInstance' ? settleCreation(instance, answer) : settleQuery(instance, answer)
}

/** An answer without an instanceId is as good as none (sync.md §4.13). */
function settleCreation (instance: Instance, answer: PushAnswer): 'done' | 'again' {
  const made = creation.safeParse(answer.json)
  const isAccepted = answer.isSuccess || (answer.httpStatus === 200 && answer.resultCode === '000004')
  if (!isAccepted || !made.success) return 'again'
  instance.instanceId = made.data.instanceId
  instance.frontEndUrl = made.data.appInfo?.frontEndUrl ?? instance.frontEndUrl
  if (instance.state === 'ordered') instance.state = answer.isSuccess ? 'active' : 'creating'
  return answer.isSuccess && answer.generation === 'v1' ? 'done' : 'again'
}

function settleQuery (instance: Instance, answer: PushAnswer): 'done' | 'again' {
  if (!answer.isSuccess) return 'again'
  const described = description.safeParse(answer.json)
  const own = described.success ? described.data.info.find(({ instanceId }) => instanceId === instance.instanceId) : undefined
  if (own === undefined) return 'again'
  instance.frontEndUrl = own.appInfo?.frontEndUrl ?? ''
  if (instance.state === 'creating') instance.state = 'active'
  return 'done'
}
