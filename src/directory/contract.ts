import type { Instance } from './instance.ts'
import type { AccessLevel } from './model.ts'
import { timeOf } from './push-version.ts'
import type { AccessRefusal } from './refusal.ts'

/**
 * Where a contract stands now. `grace` are the days after the paid time before it counts as expired: a renewal may be under way.
 */
export type ContractState = 'provisioning' | 'refused' | 'active' | 'grace' | 'expired' | 'frozen' | 'released'

/** What a state means at the door: in, in to read, out with the way to renew, out. */
export const contractPolicies = ['full', 'read-only', 'renew', 'refuse'] as const

export type ContractPolicy = (typeof contractPolicies)[number]

/** The states whose policy the seller chooses. */
export interface ContractRules {
  readonly graceDays: number
  readonly grace: ContractPolicy
  readonly expired: ContractPolicy
  readonly frozen: ContractPolicy
  readonly released: ContractPolicy
}

const dayMilliseconds = 86_400_000

export interface ContractStanding {
  readonly state: ContractState
  /** Epoch ms at which the clock alone will change the state; absent if only a message can. */
  readonly until?: number
}

/**
 * Where an instance's contract stands. Pure.
 *
 * A freeze counts at once, since it may punish a violation. The end of the paid time, whether V1 says so or the clock does, opens
 * the days of grace; the newest order that names a time lifts it (sync.md §4.3, §4.4).
 */
export function contractStanding (instance: Instance, now: number, graceDays: number): ContractStanding {
  if (instance.released !== '') return { state: 'released' }
  if (instance.status.value === 'frozen') return { state: 'frozen' }
  if (instance.provisioning !== 'ready') return { state: instance.provisioning === 'pending' ? 'provisioning' : 'refused' }
  const endedAt = endOfPaidTime(instance)
  if (endedAt === undefined) return { state: 'active' }
  if (now < endedAt) return { state: 'active', until: endedAt }
  const graceEndsAt = endedAt + graceDays * dayMilliseconds
  return now < graceEndsAt ? { state: 'grace', until: graceEndsAt } : { state: 'expired' }
}

/** Epoch ms of the end of what is paid; `undefined` if no order names one. */
export function endOfPaidTime (instance: Instance): number | undefined {
  const { orders, expired } = instance
  const [newest] = Object.values(orders)
    .filter((order) => order.expiresAt !== undefined)
    .sort((a, b) => (a.version < b.version ? 1 : a.version > b.version ? -1 : 0))
  return isEnded(instance) ? Math.min(timeOf(expired), newest?.expiresAt ?? Infinity) : newest?.expiresAt
}

/** Whether the marketplace's word that the paid time is over (V1) still counts: a newer order with a time or "normal" lifts it. */
export function isEnded ({ orders, status, expired }: Instance): boolean {
  const lifting = Object.values(orders).filter((order) => order.expiresAt !== undefined).map((order) => order.version)
  if (status.value === 'normal' && status.version !== '') lifting.push(status.version)
  return expired !== '' && lifting.every((version) => version <= expired)
}

export type Door =
  | { readonly kind: 'open', readonly access: AccessLevel }
  /** `isRenewable`: the person is to be shown the way to renew. */
  | { readonly kind: 'closed', readonly because: ClosedBecause, readonly isRenewable: boolean }

export type ClosedBecause = Extract<AccessRefusal, `instance-${string}`>

/** What a state means at the door under the seller's rules. */
export function doorOf (state: ContractState, rules: ContractRules): Door {
  switch (state) {
    case 'active': return { kind: 'open', access: 'full' }
    case 'provisioning': case 'refused': return { kind: 'closed', because: 'instance-not-ready', isRenewable: false }
    case 'grace': return doorBy(rules.grace, 'instance-expired')
    case 'expired': return doorBy(rules.expired, 'instance-expired')
    case 'frozen': return doorBy(rules.frozen, 'instance-frozen')
    case 'released': return doorBy(rules.released, 'instance-released')
  }
}

function doorBy (policy: ContractPolicy, because: ClosedBecause): Door {
  return isOpening(policy) ? { kind: 'open', access: policy } : { kind: 'closed', because, isRenewable: policy === 'renew' }
}

export function isOpening (policy: ContractPolicy): policy is AccessLevel {
  return policy === 'full' || policy === 'read-only'
}
