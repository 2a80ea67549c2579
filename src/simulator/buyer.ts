import { createPublicKey, randomBytes, randomUUID } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import type { Role } from '../directory/model.ts'
import { sealClientSecret } from '../push/signature/client-secret.ts'
import type { MarketplaceOptions } from './marketplace-options.ts'
import { resolveUrl } from './marketplace-options.ts'
import { departments, type Enterprise, type MarketplaceState, type Member, type PushAnswer } from './marketplace-state.ts'
import type { Push, PushSender } from './push-sender.ts'

export interface NewEnterprise {
  readonly name: string
  /** Lower-case letters, digits and dashes: it becomes part of an address and of a cookie's name. */
  readonly code: string
}

export interface NewMember {
  readonly userName: string
  readonly name: string
  /** Default `user`. */
  readonly role?: Role
  /** Default the first of `departments`. */
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

/** A wish of the buyer that makes no sense: an unknown enterprise or member, a name that is taken or malformed. */
export class BuyerMistake extends Error {}

/** What a buyer's administrator can do. Each action changes the enterprise first and then tells the application by signed pushes. */
export interface Buyer {
  /** tenantSync and applicationSync with a fresh client. A known code is bound anew, with its members. */
  bind (enterprise: NewEnterprise): Promise<PushAnswer[]>
  /** tenantSync flag 0. Enterprise and members stay; the client is gone. */
  unbind (code: string): Promise<PushAnswer[]>
  /** A new member, not yet authorised for the application: nothing is sent. */
  addMember (code: string, member: NewMember): Member
  /** authSync flag 1. */
  grant (code: string, userName: string): Promise<PushAnswer[]>
  /** authSync flag 2 with the member's whole row; `isEnabled` travels as `enable`. Nothing is sent of a member without a grant. */
  change (code: string, userName: string, change: MemberChange): Promise<PushAnswer[]>
  /** authSync flag 3: the member stays, the application's grant is taken back. */
  revoke (code: string, userName: string): Promise<PushAnswer[]>
  /** authSync flag 0: the member leaves the enterprise. */
  remove (code: string, userName: string): Promise<PushAnswer[]>
}

interface BuyerParts {
  readonly state: MarketplaceState
  readonly sender: PushSender
  readonly options: MarketplaceOptions
}

export function createBuyer (parts: BuyerParts): Buyer {
  const { state, sender } = parts

  async function pushMember (enterprise: Enterprise, member: Member, flag: Push['flag'], occasion: string): Promise<PushAnswer[]> {
    const { instanceId, tenantId } = enterprise
    const members = { instanceId, tenantId, appId: parts.options.appId, userList: [userOf(member)] }
    const who = `${member.name} (${member.userName}@${enterprise.code})`
    return [await sender.send({ name: 'authSync', flag, occasion: `${occasion} ${who}`, members })]
  }

  return {
    bind: (wish) => bind(parts, wish),

    async unbind (code) {
      const enterprise = findEnterprise(state, code)
      enterprise.client = undefined
      const members = tenantMembers(parts, enterprise)
      return [await sender.send({ name: 'tenantSync', flag: 0, occasion: `解绑 unbind ${enterprise.name}`, members })]
    },

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

async function bind (parts: BuyerParts, { name, code }: NewEnterprise): Promise<PushAnswer[]> {
  const { state, sender, options } = parts
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(code)) throw new BuyerMistake('the enterprise code takes lower-case letters, digits and dashes')
  if (!isWithin(name, 255)) throw new BuyerMistake('the enterprise needs a name')
  const known = state.enterprises.get(code)
  const client = { clientId: randomBytes(16).toString('hex'), clientSecret: randomBytes(24).toString('base64url') }
  const enterprise: Enterprise = {
    tenantId: known?.tenantId ?? randomBytes(16).toString('hex'),
    code,
    name,
    instanceId: known?.instanceId ?? randomUUID(),
    orderId: known?.orderId ?? `CS${randomBytes(5).toString('hex').toUpperCase()}`,
    client,
    members: known?.members ?? new Map<string, Member>(),
  }
  state.enterprises.set(code, enterprise)
  const { tenantId, instanceId } = enterprise
  const clientSecret = sealClientSecret(new Secret(client.clientSecret), createPublicKey(options.applicationPublicKeyPem))
  const occasion = `绑定 bind ${name}`
  const application = { instanceId, tenantId, appId: options.appId, clientId: client.clientId, clientSecret }
  return [
    await sender.send({ name: 'tenantSync', flag: 1, occasion, members: tenantMembers(parts, enterprise) }),
    await sender.send({ name: 'applicationSync', flag: 1, occasion, members: application }),
  ]
}

function tenantMembers ({ options }: BuyerParts, enterprise: Enterprise): Record<string, unknown> {
  const { instanceId, orderId, tenantId, code, name } = enterprise
  return { instanceId, orderId, tenantId, tenantCode: code, name, domainName: `${resolveUrl(options.publicUrl)}/as/${code}` }
}

function addMember (enterprise: Enterprise, wish: NewMember): Member {
  const { userName, name, role = 'user', departmentCode = departments[0].code } = wish
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

function findEnterprise (state: MarketplaceState, code: string): Enterprise {
  const enterprise = state.enterprises.get(code)
  if (enterprise === undefined) throw new BuyerMistake(`there is no enterprise ${code}`)
  return enterprise
}

function findMember (state: MarketplaceState, code: string, userName: string): [Enterprise, Member] {
  const enterprise = findEnterprise(state, code)
  const member = enterprise.members.get(userName)
  if (member === undefined) throw new BuyerMistake(`there is no member ${userName}@${code}`)
  return [enterprise, member]
}

function isWithin (text: string, most: number): boolean {
  return text.trim() !== '' && text.length <= most
}
