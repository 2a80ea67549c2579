import { randomBytes, randomUUID } from 'node:crypto'
import type { Role } from '../directory/model.ts'
import { createBinder, type Binder, type BindingParts } from './binding.ts'
import { BuyerMistake, findEnterprise, findMember, isWithin } from './buyer-mistake.ts'
import { createDepartmentBuyer, sendToBound, type DepartmentBuyer } from './department-buyer.ts'
import type { InstanceBuyer } from './instance-buyer.ts'
import type { Enterprise, Member, PushAnswer } from './marketplace-state.ts'
import type { Flag } from './push.ts'

export interface NewMember {
  readonly userName: string
  readonly name: string
  /** Default `user`. */
  readonly role?: Role
  /** Default `10001`, which a new enterprise has. */
  readonly departmentCode?: string
  /** Default a random one, shown on the console. */
  readonly password?: string
}

export interface MemberChange {
  readonly name?: string
  readonly role?: Role
  readonly departmentCode?: string
  readonly isEnabled?: boolean
}

/** What the enterprise's administrator does with members: each an authSync to every bound instance. */
export interface MemberBuyer {
  /** A new member, not yet authorised for the application: nothing is sent. */
  addMember (code: string, member: NewMember): Member
  /** authSync flag 1. */
  grant (code: string, userName: string): Promise<PushAnswer[]>
  /** authSync flag 2 with the member's whole row; `isEnabled` travels as `enable`. Nothing is sent of a member without a grant. */
  change (code: string, userName: string, change: MemberChange): Promise<PushAnswer[]>
  /** authSync flag 3, in V1 flag 0: the member stays, the application's grant is taken back. */
  revoke (code: string, userName: string): Promise<PushAnswer[]>
  /** authSync flag 0: the member leaves the enterprise. */
  remove (code: string, userName: string): Promise<PushAnswer[]>
}

/** What a buyer can do. Each action changes the marketplace first and then tells the application by signed calls. */
export interface Buyer extends Binder, MemberBuyer, DepartmentBuyer, InstanceBuyer {}

export function createBuyer (parts: BindingParts): Buyer {
  return { ...parts.instances, ...createBinder(parts), ...createDepartmentBuyer(parts), ...createMemberBuyer(parts) }
}

function createMemberBuyer (parts: BindingParts): MemberBuyer {
  const { state } = parts

  async function pushMember (enterprise: Enterprise, member: Member, flag: Flag, deed: string): Promise<PushAnswer[]> {
    const { tenantId, isTest } = enterprise
    const occasion = `${deed} ${member.name} (${member.userName}@${enterprise.code})`
    return await sendToBound(parts, enterprise, ({ instanceId }) => {
      const members = { instanceId, tenantId, appId: parts.options.appId, userList: [userOf(member)] }
      return { family: 'kit', name: 'authSync', flag, occasion, isTest, members }
    })
  }

  return {
    addMember: (code, wish) => addMember(findEnterprise(state, code), wish),

    async grant (code, userName) {
      const [enterprise, member] = findMember(state, code, userName)
      member.isAuthorised = true
      return await pushMember(enterprise, member, 1, '授权 grant')
    },

    async change (code, userName, change) {
      const [enterprise, member] = findMember(state, code, userName)
      Object.assign(member, change)
      // A modification of an account that the application doesn't have would add it there (sync.md §1.1).
      if (!member.isAuthorised) return []
      const occasion = change.isEnabled === undefined ? '修改 change' : change.isEnabled ? '启用 enable' : '禁用 disable'
      return await pushMember(enterprise, member, 2, occasion)
    },

    async revoke (code, userName) {
      const [enterprise, member] = findMember(state, code, userName)
      member.isAuthorised = false
      return await pushMember(enterprise, member, 3, '取消授权 take back')
    },

    async remove (code, userName) {
      const [enterprise, member] = findMember(state, code, userName)
      enterprise.members.delete(userName)
      return await pushMember(enterprise, member, 0, '删除 remove')
    },
  }
}

function addMember (enterprise: Enterprise, wish: NewMember): Member {
  const { userName, name, role = 'user', departmentCode = '10001' } = wish
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(userName)) throw new BuyerMistake('the account takes letters, digits, dot, dash and underscore')
  if (!isWithin(name, 64)) throw new BuyerMistake('the member needs a display name')
  if (enterprise.members.has(userName)) throw new BuyerMistake(`${userName}@${enterprise.code} exists already`)
  const password = wish.password ?? randomBytes(6).toString('base64url')
  const member = { id: randomUUID(), userName, password, name, role, departmentCode, isEnabled: true, isAuthorised: false }
  enterprise.members.set(userName, member)
  return member
}

/** One entry of `userList` (sync.md §1.4); `enable` is a text there. */
function userOf (member: Member): Record<string, unknown> {
  const { userName, name, departmentCode, role, isEnabled } = member
  return { userName, name, orgCode: departmentCode, role, enable: String(isEnabled) }
}
