import type { Instance, InstanceAccess, InstanceUsage } from '../../directory/instance.ts'
import type { InstanceId } from '../../directory/model.ts'
import { present } from '../kit/wire-members.ts'
import { formatWireTime } from '../signature/wire-time.ts'

type Answer = Readonly<Record<string, unknown>>

/** What is answered about instances beside code and message, and whether they can be used yet. */
export interface InstanceAnswer {
  readonly outcome: 'answered' | 'instance-unknown' | 'instance-pending' | 'instance-refused'
  readonly details?: Answer
}

/** newInstance (sync.md §4.1). V2's table knows no appInfo, but a FAQ asks for it in both generations. */
export function describePurchase ({ instanceId, provisioning, access }: Instance, generation: 'v1' | 'v2'): InstanceAnswer {
  if (provisioning === 'refused') return { outcome: 'instance-refused' }
  if (provisioning === 'pending') return { outcome: 'instance-pending', details: { instanceId } }
  return { outcome: 'answered', details: { ...encryption(generation), instanceId, appInfo: appInfoOf(access) } }
}

/** queryInstance (sync.md §4.2): one bad id of many and the whole is no success, since the answer knows one code only. */
export function describeInstances (asked: readonly InstanceId[], found: readonly Instance[], generation: 'v1' | 'v2'): InstanceAnswer {
  const byId = new Map(found.map((instance) => [instance.instanceId, instance]))
  const instances = asked.flatMap((instanceId) => byId.get(instanceId) ?? [])
  if (instances.length < asked.length) return { outcome: 'instance-unknown' }
  if (instances.some(({ provisioning }) => provisioning === 'refused')) return { outcome: 'instance-refused' }
  if (instances.some(({ provisioning }) => provisioning === 'pending')) return { outcome: 'instance-pending' }
  const info = instances.map(({ instanceId, access, usage }) => ({
    instanceId, appInfo: appInfoOf(access), ...(usage.length > 0 && { usageInfo: usage.map(usageInfoOf) }),
  }))
  return { outcome: 'answered', details: { ...encryption(generation), info } }
}

/** Nothing in our answers is encrypted, since no user name or password goes out: people sign in at the marketplace. */
function encryption (generation: 'v1' | 'v2'): Answer {
  return generation === 'v1' ? { encryptType: '1' } : {}
}

/** The marketplace checks lengths: what it would refuse is left out where it may be (sync.md §0.4). */
function appInfoOf ({ frontEndUrl, adminUrl, memo }: InstanceAccess): Answer {
  return { frontEndUrl, ...present({ adminUrl: upTo(512, adminUrl), memo: upTo(1024, memo) }) }
}

function usageInfoOf ({ relatedInstanceId, usageValue, statisticalTime, dashboardUrl }: InstanceUsage): Answer {
  return {
    ...present({ relatedInstanceId: upTo(64, relatedInstanceId) }),
    // Double(12,4).
    usageValue: Math.round(usageValue * 10_000) / 10_000,
    statisticalTime: formatWireTime(statisticalTime, 'utc'),
    ...present({ dashboardUrl: upTo(512, dashboardUrl) }),
  }
}

function upTo (maximum: number, text: string | undefined): string | undefined {
  return text !== undefined && text !== '' && text.length <= maximum ? text : undefined
}
