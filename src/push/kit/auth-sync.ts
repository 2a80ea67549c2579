import { z } from 'zod'
import type { AccountsPush, PushedAccount } from '../../directory/push-message.ts'
import type { KitInterface } from './kit-interface.ts'
import { appId, filled, flag, head, illegal, optional, present, text, userName } from './wire-members.ts'

const keys = z.object({ ...head, appId, flag: flag(0, 1, 2, 3) })

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

const bodies = {
  add: keys.extend({ userList: z.array(addedUser), currentSyncTime: filled(64) }),
  modify: keys.extend({ userList: z.array(modifiedUser) }),
  revoke: keys.extend({ userList: z.array(leavingUser) }),
  delete: keys.extend({ userList: z.array(leavingUser) }),
}

/** 用户授权同步: which accounts of a tenant may use an application (sync.md §1.4). */
export const authSync: KitInterface = {
  name: 'authSync',
  read (body, context) {
    const read = keys.safeParse(body)
    if (!read.success) return illegal(read.error)
    const { flag: change, testFlag: realm, timeStamp: version, ...key } = read.data
    if (realm === 'production' && !context.appIds.has(key.appId)) return { kind: 'illegal', member: 'appId' }
    const users = bodies[change].safeParse(body)
    if (!users.success) return illegal(users.error)
    const push: AccountsPush = { kind: 'accounts', change, realm, version, ...key, accounts: users.data.userList.map(toAccount) }
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
