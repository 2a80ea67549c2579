import { z } from 'zod'
import type { TenantPush } from '../../directory/push-message.ts'
import type { KitContext, KitInterface, KitReading } from './kit-interface.ts'
import { filled, flag, foreign, head, illegal, optional, present, text } from './wire-members.ts'

const keys = z.object({ ...head, flag: flag(0, 1, 2), ...foreign('appId', 'userList', 'orgCode', 'orgInfoList') })

const details = {
  tenantCode: optional(text(64)),
  orderId: optional(text(64)),
  name: optional(filled(255)),
  domainName: optional(filled(255)),
}

const modification = keys.extend(details)

const addition = keys.extend({ ...details, tenantCode: text(64), name: filled(255), domainName: filled(255) })
  // Nothing was bought yet when the seller applies for a credential (sync.md §1.2).
  .refine(({ orderId, instanceId }) => Boolean(orderId) || instanceId === '', { path: ['orderId'] })

/** 企业同步: an enterprise and the domain of its authorization server (sync.md §1.2). */
export const tenantSync: KitInterface = {
  name: 'tenantSync',
  async read (body, context) {
    const read = keys.safeParse(body)
    if (!read.success) return illegal(read.error)
    const { flag: change, testFlag: realm, timeStamp: version, tenantId, instanceId } = read.data
    const push: TenantPush = { kind: 'tenant', change, realm, version, tenantId, instanceId }
    return change === 'delete' ? { kind: 'message', push } : readDetails(push, body, context)
  },
}

function readDetails (push: TenantPush, body: unknown, context: KitContext): KitReading {
  const read = (push.change === 'add' ? addition : modification).safeParse(body)
  if (!read.success) return illegal(read.error)
  const { name, tenantCode, orderId, domainName } = read.data
  // "Any value while debugging": nobody signs in to the test realm, so nothing is ever sent there.
  const authorizationServer = domainName == null || push.realm === 'test' ? domainName : context.parseDomainName(domainName)
  if (domainName != null && authorizationServer === undefined) return { kind: 'illegal', member: 'domainName' }
  return { kind: 'message', push: { ...push, ...present({ name, tenantCode, orderId, authorizationServer }) } }
}
