import { BuyerMistake, findAlive, findEnterprise, findInstance } from './buyer-mistake.ts'
import { createInstance, type CreationParts } from './create-instance.ts'
import type { Instance } from './instance.ts'
import { instanceMembers, type InstanceEvent, type Scene } from './instance-calls.ts'
import type { PushAnswer } from './marketplace-state.ts'
import { addOrder } from './orders.ts'

const day = 24 * 3_600_000
const year = 365 * day

export interface NewInstance {
  /** Thirty days to try, instead of a year. */
  readonly isTrial?: boolean
}

/** What a buyer does with what he bought. An instance is named by the order that bought it. */
export interface InstanceBuyer {
  /**
   * newInstance, and what follows from its answer: repeated on a failure, polled by queryInstance on `000004` (sync.md §4.1), until
   * the order fails. The instance is in the state at once.
   */
  buy (code: string, wish?: NewInstance): Promise<PushAnswer[]>
  /** The buyer opens the resource details: V2 queryInstance, V1 newInstance again (sync.md §0.2). */
  openDetails (orderId: string): Promise<PushAnswer[]>
  /** refreshInstance; the time moves by a year, with `UNSUBSCRIBE_RENEWAL_PERIOD` back. */
  renew (orderId: string, scene?: Scene): Promise<PushAnswer[]>
  /** V2 updateInstanceStatus; V1 expireInstance or, after a violation, instanceStatus. */
  freeze (orderId: string, because?: 'expired' | 'violation'): Promise<PushAnswer[]>
  unfreeze (orderId: string): Promise<PushAnswer[]>
  /** releaseInstance, on cancellation (退订) or at the end of the freeze. Never repeated. */
  release (orderId: string, because?: 'cancelled' | 'freeze-ended'): Promise<PushAnswer[]>
  upgrade (orderId: string): Promise<PushAnswer[]>
  /** orderNotify of the order that bought the instance. V1 has no such call: nothing is sent. */
  notifyOrder (orderId: string): Promise<PushAnswer[]>
  /** Tries at once what waits for its next attempt. */
  retryNow (orderId: string): Promise<PushAnswer[]>
}

export function createInstanceBuyer (parts: CreationParts): InstanceBuyer {
  const { state } = parts
  return {
    buy: (code, wish) => buy(parts, code, wish),
    openDetails: async (orderId) => await createInstance(parts, findAlive(state, orderId)),
    renew: (orderId, scene = 'RENEWAL') => renew(parts, findAlive(state, orderId), scene),

    async freeze (orderId, because = 'expired') {
      const instance = findAlive(state, orderId)
      instance.state = 'frozen'
      return await tell(parts, instance, 'status', '冻结 freeze', { kind: 'freeze', because })
    },

    async unfreeze (orderId) {
      const instance = findAlive(state, orderId)
      instance.state = 'active'
      return await tell(parts, instance, 'status', '解冻 unfreeze', { kind: 'unfreeze' })
    },

    release: (orderId, because = 'cancelled') => release(parts, findAlive(state, orderId), because),

    async upgrade (orderId) {
      const instance = findAlive(state, orderId)
      instance.skuCode = 'sku-professional'
      const order = addOrder(state, parts.options.clock, instance, 'CHANGE')
      return await tell(parts, instance, 'upgrade', '升级 upgrade', { kind: 'upgrade', order })
    },

    async notifyOrder (orderId) {
      const instance = findInstance(state, orderId)
      const order = state.orders.get(orderId)
      return order === undefined ? [] : await tell(parts, instance, 'notify', '订单通知 order notification', { kind: 'notify', order })
    },

    retryNow: (orderId) => retryNow(parts, findInstance(state, orderId)),
  }
}

async function buy (parts: CreationParts, code: string, { isTrial = false }: NewInstance = {}): Promise<PushAnswer[]> {
  const { state, options: { clock } } = parts
  const { isTest } = findEnterprise(state, code)
  const bought: Omit<Instance, 'orderId'> = {
    enterpriseCode: code,
    isTest,
    instanceId: '',
    state: 'ordered',
    isTrial,
    productId: 'OFFI461867333479178240',
    skuCode: 'sku-basic',
    expiresAt: clock.now() + (isTrial ? 30 * day : year),
    frontEndUrl: '',
    isBound: false,
  }
  const { orderId } = addOrder(state, clock, bought, isTrial ? 'TRIAL' : 'NEW')
  const instance = { ...bought, orderId }
  state.instances.set(orderId, instance)
  return await createInstance(parts, instance)
}

const renewals: Readonly<Record<Scene, string>> = {
  RENEWAL: '续费 renew',
  TRIAL_TO_FORMAL: '试用转正 trial to formal',
  UNSUBSCRIBE_RENEWAL_PERIOD: '退订续费周期 cancel the renewal',
  RENEWAL_CHANGE: '续费变更 renew with a change',
}

async function renew (parts: CreationParts, instance: Instance, scene: Scene): Promise<PushAnswer[]> {
  const { state, options: { clock } } = parts
  const isFormalised = scene === 'TRIAL_TO_FORMAL'
  const isTakenBack = scene === 'UNSUBSCRIBE_RENEWAL_PERIOD'
  if (isFormalised && !instance.isTrial) throw new BuyerMistake('only a trial becomes formal')
  if (isTakenBack && instance.expiresAt - year < clock.now()) throw new BuyerMistake('there is no renewal to cancel')
  instance.expiresAt = isFormalised ? clock.now() + year : instance.expiresAt + (isTakenBack ? -year : year)
  if (isFormalised) instance.isTrial = false
  if (isFormalised || scene === 'RENEWAL_CHANGE') instance.productId = 'OFFI461867333479178241'
  const order = addOrder(state, clock, instance, isFormalised ? 'TRIAL_TO_FORMAL' : isTakenBack ? 'UNSUBSCRIBE' : 'RENEW')
  return await tell(parts, instance, 'period', renewals[scene], { kind: 'refresh', scene, order })
}

async function release (parts: CreationParts, instance: Instance, because: 'cancelled' | 'freeze-ended'): Promise<PushAnswer[]> {
  instance.state = 'released'
  instance.isBound = false
  for (const key of deliveriesOf(parts, instance)) parts.deliveries.cancel(key)
  if (because === 'freeze-ended') return await tell(parts, instance, 'release', '冻结期满释放 release', { kind: 'release', order: undefined })
  const order = addOrder(parts.state, parts.options.clock, instance, 'UNSUBSCRIBE')
  return await tell(parts, instance, 'release', '退订 cancel', { kind: 'release', order })
}

async function retryNow (parts: CreationParts, instance: Instance): Promise<PushAnswer[]> {
  const answers: PushAnswer[] = []
  for (const key of deliveriesOf(parts, instance)) {
    const answer = await parts.deliveries.retryNow(key)
    if (answer !== undefined) answers.push(answer)
  }
  return answers
}

function deliveriesOf ({ state }: CreationParts, { orderId }: Instance): string[] {
  return [...state.deliveries.keys()].filter((key) => key.startsWith(`${orderId} `))
}

async function tell (parts: CreationParts, instance: Instance, topic: string, deed: string, event: InstanceEvent): Promise<PushAnswer[]> {
  const { state, deliveries } = parts
  const customerName = state.enterprises.get(instance.enterpriseCode)?.name ?? ''
  const { generation } = state
  const members = instanceMembers(generation, instance, event, customerName)
  if (members === undefined) return []
  const occasion = `${deed} ${customerName}`
  const push = { family: 'base', generation, occasion, isTest: instance.isTest, isAnswerAwaited: false, members } as const
  return [await deliveries.deliver({ key: `${instance.orderId} ${topic}`, push: () => push })]
}
