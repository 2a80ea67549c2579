import { resolveUrl, type MarketplaceOptions } from './marketplace-options.ts'
import {
  departmentName, departments, type Department, type Enterprise, type MarketplaceState, type Member, type PushAnswer,
} from './marketplace-state.ts'

/** The buyer console as its template sees it. */
export interface ConsoleModel {
  readonly title: string
  readonly applicationUrl: string
  readonly loginUrl: string
  readonly appId: string
  /** What was wrong with the last form; empty if nothing was. */
  readonly mistake: string
  readonly enterprises: readonly EnterpriseModel[]
  readonly departments: readonly Department[]
  readonly pushes: readonly PushModel[]
}

interface EnterpriseModel {
  readonly code: string
  readonly name: string
  readonly tenantId: string
  readonly clientId: string
  readonly domainName: string
  readonly isBound: boolean
  readonly members: readonly MemberModel[]
}

interface MemberModel extends Pick<Member, 'userName' | 'name' | 'password' | 'role' | 'departmentCode' | 'isEnabled' | 'isAuthorised'> {
  readonly account: string
  readonly departmentName: string
  /** The whole state in one word, for colour and text. */
  readonly standing: 'open' | 'disabled' | 'not-authorised'
}

interface PushModel extends PushAnswer {
  /** `HH:mm:ss` of the machine's own time zone. */
  readonly time: string
  readonly bodyLines: string
}

export function buildConsoleModel (state: MarketplaceState, options: MarketplaceOptions, mistake: string): ConsoleModel {
  const publicUrl = resolveUrl(options.publicUrl)
  return {
    title: '买家控制台 · Buyer console',
    applicationUrl: resolveUrl(options.applicationUrl),
    loginUrl: `/unified-login/#/portal-login?ind=UNOP&appId=${encodeURIComponent(options.appId)}`,
    appId: options.appId,
    mistake,
    enterprises: [...state.enterprises.values()].map((enterprise) => enterpriseModel(enterprise, publicUrl)),
    departments,
    pushes: state.pushes.map(pushModel),
  }
}

function enterpriseModel (enterprise: Enterprise, publicUrl: string): EnterpriseModel {
  const { code, name, tenantId, client } = enterprise
  return {
    code,
    name,
    tenantId,
    clientId: client?.clientId ?? '',
    domainName: `${publicUrl}/as/${code}`,
    isBound: client !== undefined,
    members: [...enterprise.members.values()].map((member) => ({
      ...member,
      account: `${member.userName}@${code}`,
      departmentName: departmentName(member.departmentCode),
      standing: !member.isEnabled ? 'disabled' : member.isAuthorised ? 'open' : 'not-authorised',
    })),
  }
}

function pushModel (push: PushAnswer): PushModel {
  const time = new Date(push.sentAt).toLocaleTimeString('en-GB')
  return { ...push, time, bodyLines: JSON.stringify(JSON.parse(push.body), null, 2) }
}
