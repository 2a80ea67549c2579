import type { ContractRules } from '../../src/directory/contract.ts'
import type { InstanceId, PushVersion } from '../../src/directory/model.ts'
import type { InstanceChange, InstancePush } from '../../src/directory/push-message.ts'

/** As the settings stand by default. */
export const contractRules: ContractRules = { graceDays: 1, grace: 'full', expired: 'renew', frozen: 'renew', released: 'refuse' }

export const dayMs = 86_400_000

/** The version of a message at a moment (epoch ms). */
export function versionOf (now: number): PushVersion {
  return new Date(now + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 17) as PushVersion
}

export function instancePush (instanceId: string, now: number, change: InstanceChange): InstancePush {
  return { kind: 'instance', realm: 'production', version: versionOf(now), instanceId: instanceId as InstanceId, change }
}

interface Bought { readonly expiresAt?: number, readonly provisioning?: 'ready' | 'pending' }

/** A newInstance for the order `order of <instanceId>`. */
export function createPush (instanceId: string, now: number, { expiresAt, provisioning = 'ready' }: Bought = {}): InstancePush {
  return instancePush(instanceId, now, {
    kind: 'create',
    spareInstanceId: `spare of ${instanceId}` as InstanceId,
    order: { orderId: `order of ${instanceId}`, orderLineId: '' },
    businessId: instanceId,
    provisioning,
    frontEndUrl: 'https://app.example.com',
    ...(expiresAt === undefined ? {} : { expiresAt }),
  })
}

/** A refreshInstance under an order of its own. */
export function renewPush (instanceId: string, now: number, expiresAt: number): InstancePush {
  return instancePush(instanceId, now, { kind: 'renew', scene: 'RENEWAL', order: { orderId: `renewal ${now}`, orderLineId: '' }, expiresAt })
}

export function statusPush (instanceId: string, now: number, status: 'normal' | 'frozen' | 'expired'): InstancePush {
  return instancePush(instanceId, now, { kind: 'status', status })
}

export function releasePush (instanceId: string, now: number): InstancePush {
  return instancePush(instanceId, now, { kind: 'release' })
}

export function readyPush (instanceId: string, now: number): InstancePush {
  return instancePush(instanceId, now, { kind: 'provision', report: { kind: 'ready' } })
}
