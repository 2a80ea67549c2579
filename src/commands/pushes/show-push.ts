import type { Config } from '../../config/load-config.ts'
import { headingOf } from '../../directory/newest-pushes.ts'
import type { ArchivedPush } from '../../directory/push-log.ts'
import { printJson, printLines } from '../print-lines.ts'
import { withTime } from './list-pushes.ts'
import { maskMembers } from './mask-members.ts'
import { createRecordReader } from './record-reader.ts'
import { exitCodes } from '../report.ts'
import type { OpenedStore } from '../with-store.ts'

export interface ShowWords { readonly number: number, readonly personal: boolean }

/** Prints one push: what is known of it, its members as they came, and what they were read as. */
export async function showPush ({ config, storage: { pushLog } }: OpenedStore, { number, personal }: ShowWords): Promise<number> {
  const push = await pushLog.find(number)
  if (push === undefined) return reportMissing(number)
  printJson(await describePush(config, push, personal))
  return exitCodes.ok
}

export async function describePush (config: Config, push: ArchivedPush, personal: boolean): Promise<object> {
  const mask = { personal, interface: push.interface }
  const message = push.generation === 'own' ? undefined : await readAgain(() => createRecordReader(config)(push))
  return {
    ...withTime(headingOf(push)),
    members: maskMembers(membersOf(push), mask),
    ...(message !== undefined && { readAs: typeof message === 'string' ? message : maskMembers(message, mask) }),
  }
}

/** The archive may be older than the present keys and rules. */
export async function readAgain<Message> (read: () => Promise<Message>): Promise<Message | 'unreadable with the present keys'> {
  try {
    return await read()
  } catch {
    return 'unreadable with the present keys'
  }
}

export function reportMissing (number: number): number {
  printLines([`The push log holds no push ${number}.`])
  return exitCodes.fault
}

/** A body is one JSON object, a V1 call to a base interface the query of a GET. */
function membersOf ({ content }: ArchivedPush): unknown {
  const text = content.toString()
  return text.trimStart().startsWith('{') ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text))
}
