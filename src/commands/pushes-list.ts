import type { ArchivedPush, PushLog } from '../directory/push-log.ts'
import { alignColumns, printJson, printLines } from './print-lines.ts'
import { exitCodes } from './report.ts'
import type { OpenedStore } from './with-store.ts'

export interface ListWords {
  readonly last: number
  readonly tenant?: string | undefined
  readonly json: boolean
}

/** Prints the newest pushes, the oldest of them first, without what they said. */
export async function listPushes ({ storage: { pushLog } }: OpenedStore, { last, tenant, json }: ListWords): Promise<number> {
  const pushes = await newestPushes(pushLog, last, (push) => tenant === undefined || push.tenantId === tenant)
  if (json) printJson(pushes)
  else if (pushes.length === 0) printLines([tenant === undefined ? 'The push log is empty.' : 'The push log holds no push of this tenant.'])
  else printLines(alignColumns([titles, ...pushes.map(cellsOf)]))
  return exitCodes.ok
}

export type PushHeading = ReturnType<typeof headingOf>

/** One at a time: the content of each, up to 16 MiB, is let go before the next is opened. */
export async function newestPushes (
  pushLog: Pick<PushLog, 'find' | 'range'>, count: number, isWanted: (push: ArchivedPush) => boolean,
): Promise<PushHeading[]> {
  const range = await pushLog.range()
  const found: PushHeading[] = []
  for (let number = range?.last ?? 0; number >= (range?.first ?? 1) && found.length < count; number--) {
    const push = await pushLog.find(number)
    // Gone if the running gateway has swept it meanwhile.
    if (push !== undefined && isWanted(push)) found.push(headingOf(push))
  }
  return found.reverse()
}

/** What a list tells of a push. */
export function headingOf ({ content, version, receivedAt, ...rest }: ArchivedPush) {
  return { ...rest, receivedAt: new Date(receivedAt).toISOString(), bytes: content.length }
}

const titles = ['no.', 'received', 'interface', '', 'realm', 'tenant', 'instance', 'outcome', 'code', 'key', 'form']

function cellsOf (push: PushHeading): string[] {
  const { tenantId, instanceId, outcome, resultCode, keyFingerprint, variant } = push
  return [
    String(push.number), push.receivedAt, push.interface, push.generation, describeRealm(push.realm),
    orDash(tenantId), orDash(instanceId), outcome, orDash(resultCode), orDash(keyFingerprint), orDash(variant),
  ]
}

const orDash = (text: string | undefined): string => text === undefined || text === '' ? '-' : text

/** Test data stands out: it is in a name space of its own and lets nobody in. */
export function describeRealm (realm: ArchivedPush['realm']): string {
  return realm === 'test' ? '[test]' : realm ?? '-'
}
