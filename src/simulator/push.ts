import { formatWireTime } from '../push/signature/wire-time.ts'
import type { KitName } from './marketplace-call.ts'

/** V1 is withdrawn for new goods and still served for old ones (sync.md §0.1). */
export type Generation = 'v1' | 'v2'

/** 0 delete, 1 add, 2 modify, 3 cancel the authorisation (sync.md §1.1). */
export type Flag = 0 | 1 | 2 | 3

interface Occasion {
  /** In words, what the buyer did. */
  readonly occasion: string
  readonly isTest: boolean
}

/** A Kit call with the members of V2, without flag, testFlag and times. */
export interface KitPush extends Occasion {
  readonly family: 'kit'
  readonly name: KitName
  readonly flag: Flag
  readonly members: Readonly<Record<string, unknown>>
}

/** A base interface's call with the members of its generation, `activity` among them. */
export interface BasePush extends Occasion {
  readonly family: 'base'
  readonly generation: Generation
  readonly members: Readonly<Record<string, string>> & { readonly activity: string }
  /** Somebody waits for what it answers: it can't be held back. */
  readonly isAnswerAwaited: boolean
}

export type Push = KitPush | BasePush

/** A call whose content is fixed; it is signed when it leaves. */
export interface Message extends Pick<Push, 'family' | 'isTest' | 'occasion'> {
  readonly generation: Generation
  /** The interface, such as `authSync`, or a base interface's `activity`. */
  readonly name: string
  /** `undefined` for a base interface: it has none. */
  readonly flag: number | undefined
  /** JSON text of its members, also where they travel in a query. */
  readonly body: string
}

/**
 * A Kit call's body as either generation writes it.
 *
 * @param time epoch ms, the message's business time
 */
export function kitBody (push: KitPush, generation: Generation, time: number): string {
  const timeStamp = formatWireTime(time, 'utc+8')
  const members = generation === 'v2' ? push.members : v1Members(push)
  const currentSyncTime = push.name === 'authSync' ? { currentSyncTime: timeStamp } : {}
  const flag = { flag: kitFlag(push, generation) }
  return JSON.stringify({ ...members, ...currentSyncTime, ...flag, testFlag: push.isTest ? 1 : 0, timeStamp })
}

/** V1 can't cancel an authorisation alone (sync.md §1.1): the account goes. */
export function kitFlag ({ flag }: KitPush, generation: Generation): Flag {
  return generation === 'v1' && flag === 3 ? 0 : flag
}

/** Lists travel as texts, departments under other names (sync.md §1.4, §1.6). */
function v1Members ({ name, members }: KitPush): Readonly<Record<string, unknown>> {
  if (name === 'authSync') return { ...members, userList: JSON.stringify(members['userList']) }
  if (name !== 'allOrgSync') return members
  const { orgInfoList, ...others } = members
  const rows = (orgInfoList as ReadonlyArray<Record<string, string>>).map(({ orgName, ...row }) => ({ ...row, name: orgName }))
  return { ...others, orgInfo: JSON.stringify(rows) }
}
