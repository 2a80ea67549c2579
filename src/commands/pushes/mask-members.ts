import { Secret } from '../../base/secret.ts'

/**
 * Members that say nothing of a person: the marketplace's ids, times, states and addresses, in the words of the wire and in ours.
 * Whatever is not here is masked, since a member that we don't know may be anything.
 */
const openMembers = new Set([
  'activity', 'appId', 'application', 'authorizationServer', 'businessId', 'change', 'chargingMode', 'clientId', 'code', 'currentSyncTime', 'dashboardUrl', 'departmentCode',
  'domainName', 'enable', 'expireTime', 'expiresAt', 'flag', 'frontEndUrl', 'adminUrl', 'instanceId', 'isAuthorised', 'isDeleted', 'isEnabled',
  'isTold', 'kind', 'lastLoss', 'orderId', 'orderLineId', 'orderType', 'orgCode', 'parentCode', 'periodNumber', 'periodType',
  'productId', 'provisioning', 'realm', 'relatedInstanceId', 'released', 'role', 'scene', 'skuCode', 'spareInstanceId', 'statisticalTime',
  'status', 'instanceStatus', 'tenantCode', 'tenantId', 'testFlag', 'timeStamp', 'trialFlag', 'usageValue', 'value', 'version',
])

/** Names of enterprises and departments; in any other message a name is somebody's. */
const organisationNames = new Set(['name', 'orgName', 'OrgName'])
const organisationInterfaces = new Set(['tenantSync', 'singleOrgSync', 'allOrgSync'])

/** Never shown. Sellers put first passwords into the memo. */
const secretMembers = new Set(['clientSecret', 'authToken', 'signature', 'password', 'memo'])

export interface MaskOptions {
  /** Whether personal values were asked for. */
  readonly personal: boolean
  /** The interface that the values came by: it decides whose a name is. */
  readonly interface: string
}

/** A value as a person may see it: secrets never, personal values on demand only, lists that stand in a text opened. */
export function maskMembers (value: unknown, options: MaskOptions, member = ''): unknown {
  if (value instanceof Secret || (secretMembers.has(member) && value !== undefined)) return '[secret]'
  if (Array.isArray(value)) return value.map((each) => maskMembers(each, options, member))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, maskMembers(inner, options, name)]))
  }
  const inner = typeof value === 'string' ? parseStructure(value) : undefined
  if (inner !== undefined) return maskMembers(inner, options, member)
  if (options.personal || isOpen(member, options)) return value
  return maskValue(value)
}

function isOpen (member: string, { interface: name }: MaskOptions): boolean {
  return openMembers.has(member) || (organisationNames.has(member) && organisationInterfaces.has(name))
}

function maskValue (value: unknown): unknown {
  if (typeof value === 'string') return maskText(value)
  // A number may be one's telephone; a yes or no tells nothing by itself.
  return typeof value === 'number' ? '***' : value
}

/** `z***n`; of a text of two characters nothing would be hidden. */
export function maskText (text: string): string {
  const signs = [...text]
  if (signs.length === 0) return ''
  return signs.length < 3 ? '***' : `${signs[0]}***${signs.at(-1)}`
}

/** V1 sends lists as JSON in a text. */
function parseStructure (text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as object
  } catch {
    return undefined
  }
}

/** Of a directory row's key the account's name is personal. */
export function maskKey (key: readonly string[], personal: boolean): string {
  return key.map((part, index) => (key[0] === 'account' && index === 4 && !personal ? maskText(part) : part)).join(' / ')
}
