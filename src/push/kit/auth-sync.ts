import { z } from 'zod'
import type { AccountsPush, PushedAccount } from '../../directory/push-message.ts'
import type { KitInterface } from './kit-interface.ts'
import { readWireList } from './wire-list.ts'
import { appId, filled, flag, foreign, head, illegal, optional, present, text, userName } from './wire-members.ts'

const keys = z.object({
  ...head, appId, flag: flag(0, 1, 2, 3), userList: z.array(z.unknown()), ...foreign('orgCode', 'orgInfoList'),
})

const employeeType = z.union([z.int().transform(String), z.string()]).pipe(text(11))
// Length and place of these three are not documented: read both places, cap each (sync.md §6, row 6).
const workPlace = text(1024)
const entryDate = text(1024)

const personal = {
  position: optional(text(64)),
  employeeCode: optional(text(64)),
  employeeType: optional(employeeType),
  mobile: optional(text(32)),
  email: optional(text(128)),
  workPlace: optional(workPlace),
  entryDate: optional(entryDate),
  extension: z.object({
    employeeType: optional(employeeType), workPlace: optional(workPlace), entryDate: optional(entryDate),
  }).optional().catch(undefined),
}

const role = z.enum(['user', 'admin'])
const enable = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => String(value) === 'true')

const addedUser = z.object({ userName, name: filled(64), orgCode: text(64), role, enable, ...personal })

const modifiedUser = z.object({
  userName, name: optional(filled(64)), orgCode: optional(text(64)), role: optional(role), enable: optional(enable), ...personal,
})

// Whoever is taken out needs a name only; the rest is kept where it makes sense and never a reason to refuse.
const leavingUser = z.object({
  userName,
  name: filled(64).optional().catch(undefined),
  orgCode: text(64).optional().catch(undefined),
  role: role.optional().catch(undefined),
  enable: enable.optional().catch(undefined),
})

type WireUser = z.infer<typeof modifiedUser>

const users = { add: addedUser, modify: modifiedUser, revoke: leavingUser, delete: leavingUser }

const addition = z.object({ currentSyncTime: filled(64) })

/** 用户授权同步: which accounts of a tenant may use an application (sync.md §1.4). */
export const authSync: KitInterface = {
  name: 'authSync',
  async read (body, context) {
    const read = keys.safeParse(body)
    if (!read.success) return illegal(read.error)
    const { flag: change, testFlag: realm, timeStamp: version, tenantId, instanceId, appId, userList } = read.data
    if (realm === 'production' && !context.appIds.has(appId)) return { kind: 'illegal', member: 'appId' }
    const extra = change === 'add' ? addition.safeParse(body) : undefined
    if (extra?.success === false) return illegal(extra.error)
    const accounts = await readWireList<Partial<WireUser> & Pick<WireUser, 'userName'>, PushedAccount>(
      userList, { member: 'userList', element: users[change], toItem: toAccount })
    if (accounts.kind === 'illegal') return accounts
    const push: AccountsPush = { kind: 'accounts', change, realm, version, tenantId, instanceId, appId, accounts: accounts.items }
    return { kind: 'message', push }
  },
}

function toAccount (user: Pick<WireUser, 'userName'> & Partial<WireUser>): PushedAccount {
  const { userName, name, orgCode: departmentCode, role, enable: isEnabled, extension, ...details } = user
  return {
    userName,
    ...present({ name, departmentCode, role, isEnabled }),
    // What stands beside the name counts more than what stands in the extension.
    details: { ...present(extension ?? {}), ...present(details) },
  }
}
