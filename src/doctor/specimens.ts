import type { SignatureScheme } from '../push/push-report.ts'

export type Members = Readonly<Record<string, unknown>>

/** What the members of a call depend on. */
export interface SpecimenFacts {
  readonly appId: string
  /** As newInstance of the same generation answered it. */
  readonly instanceId: string
  /** A secret under the public half of our own private key; `undefined` if there is none. */
  readonly sealedSecret: string | undefined
  /** `businessId` differs on every request (sync.md §4.1). */
  readonly uniqueId: string
  /** `yyyyMMddHHmmssSSS` in UTC+8. */
  readonly timeStamp: string
}

/** One interface of one generation and a good call to it, in the shapes of V2; all of it with ids of the doctor's own. */
export interface Specimen {
  readonly scheme: SignatureScheme
  /** The interface of the Kit, or the `activity`. */
  readonly name: string
  readonly members: (facts: SpecimenFacts) => Members
  /** Paths of what the tables call mandatory. Never `testFlag`: without it a call might be taken for a real one. */
  readonly mandatory: readonly string[]
  /** Whether it is about an instance that must be there. */
  readonly isAboutInstance: boolean
}

export const schemes: readonly SignatureScheme[] = ['kit-v2', 'kit-v1', 'base-v2', 'base-v1']

export const labelOf = ({ scheme, name }: Pick<Specimen, 'scheme' | 'name'>): string => `${name} ${scheme.endsWith('v1') ? 'V1' : 'V2'}`

/** Fixed, so that a second run finds what the first one left, as the saved test cases of the marketplace do (sync.md §5). */
export const doctorIds = {
  instance: 'doctor-instance',
  order: 'doctor-order',
  tenant: 'doctor-tenant',
  client: 'doctor-client',
  /** Never added by anybody. */
  nobody: 'doctor-nobody',
  noInstance: 'doctor-no-instance',
} as const

const head = { instanceId: doctorIds.instance, tenantId: doctorIds.tenant, flag: 1 }
const headNames = ['tenantId', 'flag']

/** With all that may be there: 5000 such users are more than the megabyte at which many a proxy stops. */
export function userNumber (number: number): Members {
  const digits = String(number).padStart(4, '0')
  return {
    userName: `doctor-user-${digits}`,
    name: `体检 ${digits}`,
    position: '体检用岗位',
    orgCode: 'doctor-department-1',
    role: 'user',
    enable: 'true',
    employeeCode: digits,
    mobile: '',
    email: `doctor-user-${digits}@doctor.example.com`,
    employeeType: 1,
    workPlace: '体检用地点',
    entryDate: '2025-01-01',
  }
}

export function departmentNumber (number: number): Members {
  return { orgCode: `doctor-department-${number}`, orgName: `体检部门 ${number}`, parentCode: number === 1 ? '' : 'doctor-department-1' }
}

const kitCalls: ReadonlyArray<Pick<Specimen, 'name' | 'members' | 'mandatory'>> = [
  {
    name: 'tenantSync',
    members: () => ({ ...head, orderId: doctorIds.order, tenantCode: 'doctor', name: 'jointgate 体检', domainName: 'https://doctor.example.com' }),
    mandatory: [...headNames, 'orderId', 'tenantCode', 'name', 'domainName'],
  },
  {
    name: 'applicationSync',
    members: ({ appId, sealedSecret }) => ({ ...head, appId, clientId: doctorIds.client, clientSecret: sealedSecret }),
    mandatory: [...headNames, 'appId', 'clientId', 'clientSecret'],
  },
  {
    name: 'authSync',
    members: ({ appId, timeStamp }) => ({ ...head, appId, userList: [userNumber(1)], currentSyncTime: timeStamp }),
    mandatory: [
      ...headNames, 'appId', 'userList', 'currentSyncTime', ...['userName', 'name', 'orgCode', 'role', 'enable'].map((name) => `userList[0].${name}`),
    ],
  },
  { name: 'singleOrgSync', members: () => ({ ...head, ...departmentNumber(1) }), mandatory: [...headNames, 'orgCode', 'orgName'] },
  {
    name: 'allOrgSync',
    // Its table has no flag (sync.md §1.6).
    members: () => ({ ...head, orgInfoList: [departmentNumber(1), departmentNumber(2)] }),
    mandatory: ['tenantId', 'orgInfoList', 'orgInfoList[0].orgCode', 'orgInfoList[0].orgName'],
  },
]

const line = { orderId: doctorIds.order, orderLineId: `${doctorIds.order}-000001` }
const expireTime = '20991231000000'

/** An `activity`, its members beside the instance's id, and which of them may be missing. */
type BaseRow = readonly [activity: string, members: Members, optional?: readonly string[]]

const baseV2Rows: readonly BaseRow[] = [
  ['queryInstance', {}],
  ['refreshInstance', { scene: 'RENEWAL', ...line, productId: 'doctor-product', expireTime }, ['productId']],
  ['updateInstanceStatus', { status: 'FREEZE' }],
  ['updateInstanceStatus', { status: 'UNFREEZE' }],
  ['upgradeInstance', line],
  ['changeInstanceCheck', { productInfo: { productId: 'doctor-product' } }],
  ['releaseInstance', line, ['orderId', 'orderLineId']],
]

const baseV1Rows: readonly BaseRow[] = [
  ['queryInstance', {}],
  ['refreshInstance', { orderId: doctorIds.order, expireTime }],
  ['refreshInstance', { orderId: doctorIds.order, expireTime, productId: 'doctor-product', trialToFormal: '1' }, ['productId', 'trialToFormal']],
  ['instanceStatus', { instanceStatus: 'FREEZE' }],
  ['instanceStatus', { instanceStatus: 'NORMAL' }],
  ['expireInstance', { orderId: doctorIds.order }],
  ['upgrade', { orderId: doctorIds.order, skuCode: 'doctor-sku', productId: 'doctor-product' }],
  ['releaseInstance', { orderId: doctorIds.order }],
]

const newInstanceV1: Members = {
  customerId: 'doctor-customer',
  customerName: 'jointgate 体检',
  orderId: doctorIds.order,
  productId: 'doctor-product',
  chargingMode: '1',
  expireTime,
  periodType: 'year',
  periodNumber: '1',
}

function purchase (scheme: SignatureScheme, members: Members, mandatory: readonly string[]): Specimen {
  const withId: Specimen['members'] = ({ uniqueId }) => ({ activity: 'newInstance', ...members, businessId: uniqueId })
  return { scheme, name: 'newInstance', members: withId, mandatory: ['businessId', ...mandatory], isAboutInstance: false }
}

const fromRow = (scheme: SignatureScheme) => ([activity, members, optional = []]: BaseRow): Specimen => ({
  scheme,
  name: activity,
  members: ({ instanceId }) => ({ activity, instanceId, ...members }),
  mandatory: ['instanceId', ...Object.keys(members).filter((name) => !optional.includes(name))],
  isAboutInstance: true,
})

/** Every interface of both generations, in the order in which a purchase lives. */
export const specimens: readonly Specimen[] = [
  ...kitCalls.map((call): Specimen => {
    // Without its members' times a V2 message has no order; of V1 the time belongs to the signature, and a blank is not signed.
    return { ...call, scheme: 'kit-v2', mandatory: [...call.mandatory, 'instanceId', 'timeStamp'], isAboutInstance: false }
  }),
  ...kitCalls.map((call): Specimen => ({ ...call, scheme: 'kit-v1', isAboutInstance: false })),
  purchase('base-v2', line, ['orderId', 'orderLineId']),
  ...baseV2Rows.map(fromRow('base-v2')),
  {
    scheme: 'base-v2', name: 'orderNotify', members: () => ({ activity: 'orderNotify', ...line }), mandatory: ['orderId', 'orderLineId'], isAboutInstance: false,
  },
  purchase('base-v1', newInstanceV1, ['orderId', 'customerId']),
  ...baseV1Rows.map(fromRow('base-v1')),
]

export function specimenOf (scheme: SignatureScheme, name: string): Specimen {
  const found = specimens.find((each) => each.scheme === scheme && each.name === name)
  if (found === undefined) throw new TypeError(`no specimen of ${name}`)
  return found
}
