import type { Parameters } from '../signature/auth-token-text.ts'
import type { KitContext, KitInterface, KitReading } from './kit-interface.ts'
import { readListText } from './list-text.ts'

/**
 * Reads a Kit V1 message: its members under their V2 names and in their V2 shapes, then as V2's. Both generations end in the same
 * push messages.
 *
 * @param parameters what the `authToken` covers, and nothing else: blank members are not among them, since anybody could put one in
 *   or take one out (sync.md §3.1)
 */
export async function readKitV1 (kit: KitInterface, parameters: Parameters, context: KitContext): Promise<KitReading> {
  const reading = await kit.read(await toV2Members(parameters), context)
  return reading.kind === 'illegal' ? { kind: 'illegal', member: toV1Path(reading.member) } : reading
}

/** The body that V2 would have sent. A list that can't be read stays text, so that whoever wants none of it still sees it there. */
async function toV2Members (parameters: Parameters): Promise<Record<string, unknown>> {
  const { orgInfo: orgInfoList, userList, ...members } = Object.fromEntries(parameters)
  return {
    ...members,
    // Without a signature on blanks, empty and absent are one; the credential stage has an empty one (sync.md §0.2).
    instanceId: members.instanceId ?? '',
    orgInfoList,
    userList: userList === undefined ? undefined : await readListText(userList) ?? userList,
  }
}

/** The name under which the sender knows a member: in V1's list of departments `orgName` is `name`. */
function toV1Path (path: string): string {
  return path.replace(/^orgInfoList(\[\d+\])\.orgName$/, 'orgInfo$1.name').replace(/^orgInfoList/, 'orgInfo')
}
