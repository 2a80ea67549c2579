import type { Clock } from '../../../base/clock.ts'
import type { SealedBox } from '../../../base/sealed-box.ts'
import type { ArchivedPush, PushLog, PushRecord } from '../../../directory/push-log.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { createPushLogIndex, type IndexEntry } from './redis-push-log-index.ts'
import type { SlotName } from './redis-rows.ts'
import { openRecord, sealRecord } from './sealed-record.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

export interface RedisPushLog extends PushLog {
  /**
   * Takes a number and writes ahead into the index where its record will lie. A record that never comes leaves a gap. Its record must be
   * committed within minutes: the sweep takes a number without one for abandoned.
   */
  reserve (record: PushRecord, where: SlotName): Promise<number>
  /** Adds the record to a batch of its slot. */
  stage (batch: SlotBatch, where: SlotName, number: number, record: PushRecord): void
  /** Puts a record under the number that it has in another store, or removes it. */
  copy (number: number, record: PushRecord | undefined): Promise<void>
}

/** Read in one go; a content may have 16 MiB. */
const recordsAtOnce = 8
/** Removed in one step. */
const entriesAtOnce = 500
/** How long a reserved number may wait for its record: far longer than any command may take. */
const abandonedAfterMs = 600_000

/** The record of a push lies in the push's own slot and comes with its commit; the index of numbers leads there. */
export function openRedisPushLog (connection: RedisConnection, box: SealedBox, clock: Clock): RedisPushLog {
  const { keys, reads } = connection
  const index = createPushLogIndex(connection)

  const keyOf = (where: SlotName, number: number): string => 'tenantId' in where
    ? keys.tenant(where.realm, where.tenantId, 'push', String(number))
    : keys.market(where.realm, 'push', String(number))

  const reserve: RedisPushLog['reserve'] = ({ receivedAt, content }, where) =>
    index.add({ where, receivedAt, bytes: content.length, reservedAt: clock.now() })

  const stage: RedisPushLog['stage'] = (batch, where, number, record) => {
    batch.run('SET', keyOf(where, number), sealRecord(box, number, record))
  }

  /** The record, unless its commit never came or is under way. */
  const read = async ({ number, where }: IndexEntry): Promise<ArchivedPush | undefined> => {
    const sealed = await reads.getBuffer(keyOf(where, number))
    return sealed === null ? undefined : openRecord(box, number, sealed)
  }

  const list = async (from: number, limit: number): Promise<ArchivedPush[]> => {
    const found: ArchivedPush[] = []
    for (let start = from; found.length < limit;) {
      const entries = await index.list(start, Math.min(recordsAtOnce, limit - found.length))
      const last = entries.at(-1)
      if (last === undefined) break
      for (const record of await Promise.all(entries.map(read))) if (record !== undefined) found.push(record)
      start = last.number + 1
    }
    return found
  }

  const copy: RedisPushLog['copy'] = async (number, record) => {
    if (record === undefined) {
      const entry = await index.find(number)
      if (entry !== undefined) await remove([entry])
      return
    }
    const { receivedAt, content: { length: bytes } } = record
    const where = slotOf(record)
    await index.put({ number, where, receivedAt, bytes, reservedAt: clock.now() })
    const batch = new SlotBatch()
    stage(batch, where, number, record)
    await connection.commit(batch)
  }

  /** The records first: one whose number were forgotten before it would stay for ever. */
  const remove = async (entries: readonly IndexEntry[]): Promise<boolean> => {
    const batches = new Map<string, SlotBatch>()
    for (const { where, number } of entries) {
      const slot = JSON.stringify(where)
      const batch = batches.get(slot) ?? new SlotBatch()
      batch.run('UNLINK', keyOf(where, number))
      batches.set(slot, batch)
    }
    for (const batch of batches.values()) await connection.commit(batch)
    return index.remove(entries)
  }

  /** Of the oldest records those that must go, some of them; a number whose record may still come is passed over. */
  const listOver = async (before: number, maximumBytes: number): Promise<IndexEntry[]> => {
    const oldest = await index.list(0, entriesAtOnce)
    // Read after the list: what another gateway removes in between makes us remove less, never more, than there is too much of.
    let bytes = await index.bytes()
    const over: IndexEntry[] = []
    for (const entry of oldest) {
      if (entry.receivedAt >= before && bytes <= maximumBytes) break
      over.push(entry)
      bytes -= entry.bytes
    }
    const isThere = await Promise.all(over.map(({ where, number }) => reads.exists(keyOf(where, number))))
    return over.filter(({ reservedAt }, at) => isThere[at] === 1 || reservedAt <= clock.now() - abandonedAfterMs)
  }

  return {
    reserve,
    stage,
    copy: (number, record) => connection.guarded(() => copy(number, record)),

    append: (record) => connection.guarded(async () => {
      const where = slotOf(record)
      const number = await reserve(record, where)
      const batch = new SlotBatch()
      stage(batch, where, number, record)
      await connection.commit(batch)
    }),

    list: (from, limit) => connection.guarded(() => list(from, limit)),

    find: (number) => connection.guarded(async () => {
      const entry = await index.find(number)
      return entry && await read(entry)
    }),

    range: () => connection.guarded(() => index.range()),

    sweep: (before, maximumBytes) => connection.guarded(async () => {
      let removed = 0
      for (;;) {
        const over = await listOver(before, maximumBytes)
        if (over.length === 0) return removed
        if (await remove(over)) removed += over.length
      }
    }),
  }
}

/** Of a call that changed nothing: with its tenant, if it named one. */
function slotOf ({ realm = 'production', tenantId }: PushRecord): SlotName {
  return tenantId === undefined ? { realm } : { realm, tenantId }
}
