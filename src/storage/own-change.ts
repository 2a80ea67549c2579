import { isDeepStrictEqual } from 'node:util'
import type { PushRecord } from '../directory/push-log.ts'
import type { PushMessage } from '../directory/push-message.ts'
import type { PushEffect, RowReader } from '../directory/rows.ts'

type Changed = Extract<PushEffect, { kind: 'changed' }>

/** A change of our own comes with every query of an instance: mostly there is nothing to write and nothing to archive. */
export function changesNothing (
  { realm }: PushMessage, { writes, events }: Pick<Changed, 'writes' | 'events'>, reader: Pick<RowReader, 'instance'>,
): boolean {
  return events.length === 0 && writes.every((write) =>
    write.kind === 'instance' && isDeepStrictEqual(write.row, reader.instance(realm, write.row.instanceId)))
}

/** How the push log keeps a change of our own. */
export function ownRecord (push: PushMessage, receivedAt: number): PushRecord {
  const { realm, instanceId } = push
  return {
    receivedAt,
    interface: 'gateway',
    generation: 'own',
    realm,
    ...(push.kind !== 'instance' && { tenantId: push.tenantId }),
    instanceId,
    outcome: 'committed',
    resultCode: '',
    content: Buffer.from(JSON.stringify(push)),
  }
}
