import { newestPushes, type PushHeading } from '../../directory/newest-pushes.ts'
import type { ArchivedPush } from '../../directory/push-log.ts'
import { alignColumns, printJson, printLines } from '../print-lines.ts'
import { exitCodes } from '../report.ts'
import type { OpenedStore } from '../with-store.ts'

export interface ListWords {
  readonly last: number
  readonly tenant?: string | undefined
  readonly json: boolean
}

/** Prints the newest pushes, the oldest of them first, without what they said. */
export async function listPushes ({ storage: { pushLog } }: OpenedStore, { last, tenant, json }: ListWords): Promise<number> {
  const pushes = await newestPushes(pushLog, last, (push) => tenant === undefined || push.tenantId === tenant)
  if (json) printJson(pushes.map(withTime))
  else if (pushes.length === 0) printLines([tenant === undefined ? 'The push log is empty.' : 'The push log holds no push of this tenant.'])
  else printLines(alignColumns([titles, ...pushes.map(cellsOf)]))
  return exitCodes.ok
}

/** A time that a person can read, in place of epoch ms. */
export function withTime ({ receivedAt, ...rest }: PushHeading) {
  return { ...rest, receivedAt: new Date(receivedAt).toISOString() }
}

const titles = ['no.', 'received', 'interface', '', 'realm', 'tenant', 'instance', 'outcome', 'code', 'key', 'form']

function cellsOf (push: PushHeading): string[] {
  const { tenantId, instanceId, outcome, resultCode, keyFingerprint, variant } = push
  return [
    String(push.number), withTime(push).receivedAt, push.interface, push.generation, describeRealm(push.realm),
    orDash(tenantId), orDash(instanceId), outcome, orDash(resultCode), orDash(keyFingerprint), orDash(variant),
  ]
}

const orDash = (text: string | undefined): string => text === undefined || text === '' ? '-' : text

/** Test data stands out: it is in a name space of its own and lets nobody in. */
export function describeRealm (realm: ArchivedPush['realm']): string {
  return realm === 'test' ? '[test]' : realm ?? '-'
}
