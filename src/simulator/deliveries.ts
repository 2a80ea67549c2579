import type { Clock } from '../base/clock.ts'
import type { MarketplaceState, PushAnswer } from './marketplace-state.ts'
import type { BasePush } from './push.ts'
import type { PushSender } from './push-sender.ts'
import { retryRule } from './retry-rules.ts'
import type { Scheduler } from './scheduler.ts'

export interface Wish {
  /** What it is about: a newer wish of the same key takes the place of an older one. */
  readonly key: string
  /** Written anew for each attempt. */
  readonly push: () => BasePush
  /** Takes the answer in. `again` if the call has to be repeated; default any answer but a success. */
  readonly settle?: (answer: PushAnswer) => 'done' | 'again'
  /** The documented time is over. */
  readonly giveUp?: () => void
}

export interface Deliveries {
  /** Makes the first attempt; later ones follow by the retry table. */
  deliver (wish: Wish): Promise<PushAnswer>
  /** The seller's manual restart (卖家中心 > 生产接口消息 > 重新启动): an attempt now. `undefined` if nothing is waiting. */
  retryNow (key: string): Promise<PushAnswer | undefined>
  /** Nothing of this key is tried again. */
  cancel (key: string): void
}

interface DeliveryParts {
  readonly state: MarketplaceState
  readonly sender: PushSender
  readonly scheduler: Scheduler
  readonly clock: Clock
}

export function createDeliveries ({ state, sender, scheduler, clock }: DeliveryParts): Deliveries {
  const { deliveries } = state
  const wishes = new Map<string, Wish>()

  async function attempt (wish: Wish, startedAt: number, attempts: number): Promise<PushAnswer> {
    const push = wish.push()
    const answer = await sender.send(push)
    // While it was under way somebody wished otherwise, or restarted it.
    if (wishes.get(wish.key) !== wish || (deliveries.get(wish.key)?.attempts ?? 0) > attempts) return answer
    const verdict = wish.settle?.(answer) ?? (answer.isSuccess || answer.fault === 'held' ? 'done' : 'again')
    const rule = retryRule(answer.name, answer.generation)
    if (verdict === 'done' || rule === undefined) {
      forget(wish.key)
      if (verdict !== 'done') wish.giveUp?.()
      return answer
    }
    const nextAt = startedAt + (Math.floor((clock.now() - startedAt) / rule.everyMilliseconds) + 1) * rule.everyMilliseconds
    if (nextAt > startedAt + rule.forMilliseconds) {
      forget(wish.key)
      wish.giveUp?.()
      return answer
    }
    const delivery = { key: wish.key, occasion: push.occasion, startedAt, attempts: attempts + 1, nextAt }
    deliveries.set(wish.key, delivery)
    scheduler.after(nextAt - clock.now(), async () => {
      if (deliveries.get(wish.key) === delivery) await attempt(wish, startedAt, attempts + 1)
    })
    return answer
  }

  function forget (key: string): void {
    wishes.delete(key)
    deliveries.delete(key)
  }

  return {
    async deliver (wish) {
      forget(wish.key)
      wishes.set(wish.key, wish)
      return await attempt(wish, clock.now(), 0)
    },
    async retryNow (key) {
      const [wish, delivery] = [wishes.get(key), deliveries.get(key)]
      return wish === undefined || delivery === undefined ? undefined : await attempt(wish, delivery.startedAt, delivery.attempts)
    },
    cancel: forget,
  }
}
