import { createRandomId } from '../base/random-id.ts'
import { Secret } from '../base/secret.ts'
import { formatWireTime } from '../push/signature/wire-time.ts'
import { baseV1Call, baseV2Call, kitV1Call, kitV2Call, type KitName, type SignedCall } from './marketplace-call.ts'
import { resolveUrl, type MarketplaceOptions } from './marketplace-options.ts'
import type { MarketplaceState } from './marketplace-state.ts'
import { kitBody, kitFlag, type Message, type Push } from './push.ts'

export interface MessageParts {
  readonly state: MarketplaceState
  readonly options: Pick<MarketplaceOptions, 'gatewayUrl' | 'kitKeys' | 'productionKeys' | 'clock'>
}

/** Gives a push its words and its time. */
export function writeMessage ({ state, options }: MessageParts, push: Push): Message {
  const { family, isTest, occasion } = push
  state.lastPushTime = Math.max(options.clock.now(), state.lastPushTime + 1)
  if (push.family === 'kit') {
    const { generation } = state
    const body = kitBody(push, generation, state.lastPushTime)
    return { family, isTest, occasion, generation, name: push.name, flag: kitFlag(push, generation), body }
  }
  const { generation } = push
  const time = generation === 'v1' ? { timeStamp: formatWireTime(state.lastPushTime, 'utc') } : {}
  const body = JSON.stringify({ ...push.members, ...time })
  return { family, isTest, occasion, generation, name: push.members.activity, flag: undefined, body }
}

/** The key with which the marketplace signs now, and expects the answer to be signed. */
export function currentKey ({ state, options }: MessageParts, family: Push['family']): Secret {
  const [first, second] = family === 'kit' ? options.kitKeys : options.productionKeys
  return state.faults.rotatedKeys === 'on' ? second : first
}

export function signMessage (parts: MessageParts, { family, generation, name, body }: Message): SignedCall {
  const { state, options } = parts
  const accessKey = state.faults.badSignatures === 'on' ? new Secret(createRandomId()) : currentKey(parts, family)
  const target = { baseUrl: resolveUrl(options.gatewayUrl), accessKey, clock: options.clock }
  if (family === 'kit') return generation === 'v2' ? kitV2Call(target, name as KitName, body) : kitV1Call(target, name as KitName, body)
  return generation === 'v2' ? baseV2Call(target, body) : baseV1Call(target, JSON.parse(body) as Record<string, string>)
}
