import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import { formatWireTime } from '../push/signature/wire-time.ts'
import { baseV1Call, baseV2Call, kitV1Call, kitV2Call, type KitName, type SignedCall } from '../simulator/marketplace-call.ts'
import type { Members, Specimen, SpecimenFacts } from './specimens.ts'

export interface Variation {
  /** What is said otherwise; applied before the call is signed, in the shapes of V2. */
  readonly change?: (members: Members) => Members
  /** When the call is signed, epoch ms; now if absent. */
  readonly at?: number
  readonly accessKey?: Secret
  /** V2 only. */
  readonly nonce?: string
  /** What happens to the call on its way, after it was signed. */
  readonly tamper?: (call: SignedCall) => SignedCall
}

export interface SigningFacts extends Omit<SpecimenFacts, 'uniqueId' | 'timeStamp'> {
  readonly baseUrl: string
  readonly accessKey: Secret
  readonly clock: Clock
}

/** Writes and signs a call as the marketplace does, always as debugging data (C-60). */
export function signSpecimen (specimen: Specimen, facts: SigningFacts, variation: Variation = {}): SignedCall {
  const { change = (members) => members, at = facts.clock.now(), accessKey = facts.accessKey, nonce, tamper = (call) => call } = variation
  const isKit = specimen.scheme.startsWith('kit')
  const timeStamp = formatWireTime(specimen.scheme === 'kit-v1' ? at : facts.clock.now(), 'utc+8')
  const uniqueId = `doctor-${randomBytes(12).toString('hex')}`
  const members = change({
    ...specimen.members({ ...facts, timeStamp, uniqueId }),
    ...(isKit ? { testFlag: 1, timeStamp } : { testFlag: '1' }),
  })
  const target = { baseUrl: facts.baseUrl, clock: facts.clock, accessKey }
  const stamp = { timestamp: at, ...(nonce !== undefined && { nonce }) }
  return tamper(sign())

  function sign (): SignedCall {
    const name = specimen.name as KitName
    switch (specimen.scheme) {
      case 'kit-v2': return kitV2Call(target, name, JSON.stringify(members), stamp)
      case 'kit-v1': return kitV1Call(target, name, JSON.stringify(toV1(members)))
      case 'base-v2': return baseV2Call(target, JSON.stringify(members), stamp)
      case 'base-v1': return baseV1Call(target, { timeStamp: formatWireTime(at, 'utc'), ...members })
    }
  }
}

/** V1 sends lists as JSON texts, and calls two members otherwise (sync.md §1.4, §1.6). */
function toV1 ({ userList, orgInfoList, ...members }: Members): Members {
  const departments = Array.isArray(orgInfoList)
    ? (orgInfoList as Members[]).map(({ orgName, ...department }) => ({ ...department, name: orgName }))
    : orgInfoList
  return {
    ...members,
    ...(userList !== undefined && { userList: JSON.stringify(userList) }),
    ...(departments !== undefined && { orgInfo: JSON.stringify(departments) }),
  }
}

/** Without the member at a path such as `userList[0].role`. */
export function without (members: Members, path: string): Members {
  const [first = '', index, inner] = path.split(/\[(\d+)\]\./)
  if (index === undefined || inner === undefined) return Object.fromEntries(Object.entries(members).filter(([name]) => name !== first))
  const list = (members[first] as Members[]).map((element, at) => (at === Number(index) ? without(element, inner) : element))
  return { ...members, [first]: list }
}

/** What the sender calls the member: the names of V1's lists differ. */
export function wireNameOf ({ scheme }: Specimen, path: string): string {
  const name = path.split('.').at(-1) ?? path
  if (scheme !== 'kit-v1') return name
  if (path.startsWith('orgInfoList[') && name === 'orgName') return 'name'
  return name === 'orgInfoList' ? 'orgInfo' : name
}
