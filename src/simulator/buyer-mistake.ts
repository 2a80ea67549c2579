import { isAlive, type Instance } from './instance.ts'
import type { Enterprise, MarketplaceState, Member } from './marketplace-state.ts'

/** A wish of the buyer that makes no sense: an unknown enterprise or member, a name that is taken or malformed. */
export class BuyerMistake extends Error {}

export function findEnterprise (state: MarketplaceState, code: string): Enterprise {
  const enterprise = state.enterprises.get(code)
  if (enterprise === undefined) throw new BuyerMistake(`there is no enterprise ${code}`)
  return enterprise
}

export function findMember (state: MarketplaceState, code: string, userName: string): [Enterprise, Member] {
  const enterprise = findEnterprise(state, code)
  const member = enterprise.members.get(userName)
  if (member === undefined) throw new BuyerMistake(`there is no member ${userName}@${code}`)
  return [enterprise, member]
}

export function findInstance (state: MarketplaceState, orderId: string): Instance {
  const instance = state.instances.get(orderId)
  if (instance === undefined) throw new BuyerMistake(`there is no instance of the order ${orderId}`)
  return instance
}

export function findAlive (state: MarketplaceState, orderId: string): Instance {
  const instance = findInstance(state, orderId)
  if (!isAlive(instance)) throw new BuyerMistake(`the instance of the order ${orderId} is ${instance.state}`)
  return instance
}

/** Those of the enterprise that can be used, oldest first. */
export function aliveInstances (state: MarketplaceState, enterprise: Enterprise): Instance[] {
  return [...state.instances.values()].filter((instance) => instance.enterpriseCode === enterprise.code && isAlive(instance))
}

export function isWithin (text: string, most: number): boolean {
  return text.trim() !== '' && text.length <= most
}
