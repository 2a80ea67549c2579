import { aliveInstances } from './buyer-mistake.ts'
import { faultNames, faultTexts, isOn, type FaultControl, type FaultName } from './faults.ts'
import { scenes } from './instance-calls.ts'
import { isAlive, type Instance } from './instance.ts'
import { resolveUrl, type MarketplaceOptions } from './marketplace-options.ts'
import { departmentName, type Department, type Enterprise, type MarketplaceState, type Member, type PushAnswer } from './marketplace-state.ts'

/** The buyer console as its template sees it. */
export interface ConsoleModel {
  readonly title: string
  readonly applicationUrl: string
  readonly loginUrl: string
  readonly appId: string
  readonly generation: MarketplaceState['generation']
  /** What was wrong with the last form; empty if nothing was. */
  readonly mistake: string
  readonly enterprises: readonly EnterpriseModel[]
  readonly faults: readonly FaultModel[]
  readonly faultsOn: number
  readonly pushes: readonly PushModel[]
}

export interface EnterpriseModel {
  readonly code: string
  readonly name: string
  readonly isTest: boolean
  readonly tenantId: string
  readonly clientId: string
  readonly domainName: string
  readonly isBound: boolean
  readonly hasInstance: boolean
  readonly instances: readonly InstanceModel[]
  readonly departments: readonly DepartmentModel[]
  readonly members: readonly MemberModel[]
}

interface InstanceModel extends Omit<Instance, 'enterpriseCode' | 'expiresAt'> {
  readonly isAlive: boolean
  /** `yyyy-MM-dd`. */
  readonly expiryDate: string
  /** When a failed call is made again and how often it failed; empty if none waits. */
  readonly waiting: string
  readonly scenes: ReadonlyArray<(typeof scenes)[number]>
}

interface DepartmentModel extends Department {
  /** How deep it stands, 0 for the top. */
  readonly depth: number
}

interface MemberModel extends Pick<Member, 'userName' | 'name' | 'password' | 'role' | 'departmentCode' | 'isEnabled' | 'isAuthorised'> {
  readonly account: string
  readonly departmentName: string
  /** The whole state in one word, for colour and text. */
  readonly standing: 'open' | 'disabled' | 'not-authorised'
}

interface FaultModel {
  readonly name: FaultName
  readonly label: string
  readonly sentence: string
  readonly control: FaultControl
  readonly value: string
  readonly isOn: boolean
}

interface PushModel extends PushAnswer {
  /** `HH:mm:ss` of the machine's own time zone. */
  readonly time: string
  readonly bodyLines: string
  readonly verdict: 'good' | 'waiting' | 'bad'
}

export function buildConsoleModel (state: MarketplaceState, options: MarketplaceOptions, mistake: string): ConsoleModel {
  const faults = faultNames.map((name): FaultModel => {
    const value = state.faults[name]
    return { name, ...faultTexts[name], value: String(value), isOn: isOn(value) }
  })
  return {
    title: '买家控制台 · Buyer console',
    applicationUrl: resolveUrl(options.applicationUrl),
    loginUrl: `/unified-login/#/portal-login?ind=UNOP&appId=${encodeURIComponent(options.appId)}`,
    appId: options.appId,
    generation: state.generation,
    mistake,
    enterprises: [...state.enterprises.values()].map((enterprise) => enterpriseModel(state, enterprise)),
    faults,
    faultsOn: faults.filter(({ isOn }) => isOn).length,
    pushes: state.pushes.map(pushModel),
  }
}

function enterpriseModel (state: MarketplaceState, enterprise: Enterprise): EnterpriseModel {
  const { code, name, isTest, tenantId, client, domainName } = enterprise
  return {
    code,
    name,
    isTest,
    tenantId,
    clientId: client?.clientId ?? '',
    domainName,
    isBound: client !== undefined,
    hasInstance: aliveInstances(state, enterprise).length > 0,
    instances: [...state.instances.values()].filter((instance) => instance.enterpriseCode === code)
      .map((instance) => instanceModel(state, instance)),
    departments: sortAsTree([...enterprise.departments.values()]),
    members: [...enterprise.members.values()].map((member) => ({
      ...member,
      account: `${member.userName}@${code}`,
      departmentName: departmentName(enterprise, member.departmentCode),
      standing: !member.isEnabled ? 'disabled' : member.isAuthorised ? 'open' : 'not-authorised',
    })),
  }
}

function instanceModel (state: MarketplaceState, instance: Instance): InstanceModel {
  const waiting = [...state.deliveries.values()].find(({ key }) => key.startsWith(`${instance.orderId} `))
  return {
    ...instance,
    isAlive: isAlive(instance),
    expiryDate: new Date(instance.expiresAt).toISOString().slice(0, 10),
    waiting: waiting === undefined ? '' : `${waiting.attempts} × · ${timeOf(waiting.nextAt)}`,
    scenes: scenes.filter((scene) => scene !== 'TRIAL_TO_FORMAL' || instance.isTrial),
  }
}

/** Each department behind the one that it belongs to; those whose parent was deleted stand at the top. */
function sortAsTree (departments: readonly Department[]): DepartmentModel[] {
  const codes = new Set(departments.map(({ code }) => code))
  const below = (parentCode: string, depth: number): DepartmentModel[] => departments
    .filter((department) => (codes.has(department.parentCode) ? department.parentCode : '') === parentCode)
    .flatMap((department) => [{ ...department, depth }, ...below(department.code, depth + 1)])
  return below('', 0)
}

function pushModel (push: PushAnswer): PushModel {
  const isWaiting = push.fault === 'held' || (push.httpStatus === 200 && push.resultCode === '000004')
  const verdict = push.isSuccess && push.bodySign === 'verified' ? 'good' : isWaiting ? 'waiting' : 'bad'
  return { ...push, verdict, time: timeOf(push.sentAt), bodyLines: JSON.stringify(JSON.parse(push.body), null, 2) }
}

function timeOf (time: number): string {
  return new Date(time).toLocaleTimeString('en-GB')
}
