import type { OrderKey } from '../../directory/instance.ts'
import type { InstanceId, PushVersion, Realm } from '../../directory/model.ts'
import type { InstanceChange, InstancePush } from '../../directory/push-message.ts'

/** What a base interface needs to know beside the members of the call. */
export interface ProductionContext {
  /** When the message was signed, in UTC+8. */
  readonly version: PushVersion
  /** Where people open an instance that no hook has said anything about. */
  readonly frontEndUrl: string
  /** Whether the seller's system is asked before an instance is ready. */
  readonly hasHook: boolean
  /** Opens an encrypted V1 field; `undefined` if it can't be opened. */
  readonly openField: (name: string, sealed: string) => string | undefined
}

export type ProductionReading =
  | { readonly kind: 'message', readonly push: InstancePush }
  /** queryInstance. */
  | { readonly kind: 'query', readonly realm: Realm, readonly instanceIds: readonly InstanceId[] }
  /** changeInstanceCheck. */
  | { readonly kind: 'change-check', readonly realm: Realm, readonly instanceId: InstanceId, readonly productInfo: unknown }
  /** orderNotify. */
  | { readonly kind: 'order-notice', readonly realm: Realm, readonly order: OrderKey }
  /** A member that is missing or not what the tables say. */
  | { readonly kind: 'illegal', readonly member: string }

/** One base interface of one generation: its `activity` and its wire schema ↔ push message or question. */
export interface ProductionInterface {
  readonly activity: string
  readonly generation: 'v1' | 'v2'
  /** @param members what was verified: a V2 body, parsed, or V1's parameters, all text */
  read (members: unknown, context: ProductionContext): ProductionReading
}

/** The reading of a call that changes one instance. */
export function instanceMessage (
  { testFlag: realm, instanceId }: { testFlag: Realm, instanceId: InstanceId }, { version }: ProductionContext, change: InstanceChange,
): ProductionReading {
  return { kind: 'message', push: { kind: 'instance', realm, version, instanceId, change } }
}
