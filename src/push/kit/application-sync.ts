import { z } from 'zod'
import type { ApplicationPush } from '../../directory/push-message.ts'
import type { KitContext, KitInterface, KitReading } from './kit-interface.ts'
import { appId, filled, flag, foreign, head, illegal, optional, present } from './wire-members.ts'

const keys = z.object({ ...head, appId, flag: flag(0, 1, 2), ...foreign('userList', 'orgCode', 'orgInfoList') })

// No length in the table; one RSA block of the longest key that OpenSSL takes (16384 bit) has 2732 characters.
const secret = filled(4096)

const modification = keys.extend({ clientId: optional(filled(64)), clientSecret: optional(secret) })
const addition = keys.extend({ clientId: filled(64), clientSecret: secret })

/** 应用同步: the OAuth client of a tenant for an application (sync.md §1.3). */
export const applicationSync: KitInterface = {
  name: 'applicationSync',
  async read (body, context) {
    const read = keys.safeParse(body)
    if (!read.success) return illegal(read.error)
    const { flag: change, testFlag: realm, timeStamp: version, tenantId, instanceId, appId } = read.data
    if (realm === 'production' && !context.appIds.has(appId)) return { kind: 'illegal', member: 'appId' }
    const push: ApplicationPush = { kind: 'application', change, realm, version, tenantId, instanceId, appId }
    return change === 'delete' ? { kind: 'message', push } : readClient(push, body, context)
  },
}

function readClient (push: ApplicationPush, body: unknown, context: KitContext): KitReading {
  const read = (push.change === 'add' ? addition : modification).safeParse(body)
  if (!read.success) return illegal(read.error)
  const { clientId, clientSecret: sealed } = read.data
  const clientSecret = sealed == null ? undefined : context.openSecret(sealed)
  if (sealed != null && clientSecret === undefined) return { kind: 'secret-unreadable' }
  return { kind: 'message', push: { ...push, ...present({ clientId, clientSecret }) } }
}
