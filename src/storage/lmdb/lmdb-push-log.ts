import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { ArchivedPush, PushLog, PushRecord } from '../../directory/push-log.ts'
import type { Counters } from './lmdb-counters.ts'
import { guarded, written } from './lmdb-environment.ts'
import type { HandOver, TakeTurn } from './lmdb-turns.ts'
import { PreparedBatch } from './prepared-batch.ts'

export interface LmdbPushLog extends PushLog {
  /** Adds a record to a batch that is handed over in the same turn. */
  stage (batch: PreparedBatch, record: PushRecord): void
  /** Puts records under the numbers that they have in another store, and removes what has no record; each number once in a batch. */
  stageCopies (batch: PreparedBatch, copies: ReadonlyArray<{ readonly number: number, readonly record: PushRecord | undefined }>): void
}

/** What can be asked without opening a seal; the contents, up to 16 MiB each, lie in a table of their own. */
type Heading = Omit<PushRecord, 'content'> & { bytes: number }

const numberCounter = 'push-log'
const bytesCounter = 'push-log-bytes'
/** Removed in one transaction. */
const recordsAtOnce = 500

export function openLmdbPushLog (environment: RootDatabase, box: SealedBox, counters: Counters, takeTurn: TakeTurn): LmdbPushLog {
  const headings: Database<Heading, number> = environment.openDB('push-log', { encoding: 'msgpack' })
  const contents: Database<Buffer, number> = environment.openDB('push-log-contents', { encoding: 'binary' })

  const open = (number: number, { bytes, ...rest }: Heading): ArchivedPush => {
    const content = box.open(contents.get(number) ?? Buffer.alloc(0), sealContext(number))
    if (content === undefined) throw new faults.StorageCorrupt()
    return { number, ...rest, content }
  }

  const put = (batch: PreparedBatch, number: number, { content, ...rest }: PushRecord): void => {
    batch.put(headings, number, { ...rest, bytes: content.length })
    batch.put(contents, number, box.seal(content, sealContext(number)))
  }

  const stage: LmdbPushLog['stage'] = (batch, record) => {
    const number = counters.get(numberCounter) + 1
    put(batch, number, record)
    counters.set(batch, numberCounter, number)
    counters.set(batch, bytesCounter, counters.get(bytesCounter) + record.content.length)
  }

  const stageCopies: LmdbPushLog['stageCopies'] = (batch, copies) => {
    let bytes = counters.get(bytesCounter)
    for (const { number, record } of copies) {
      bytes += (record?.content.length ?? 0) - (headings.get(number)?.bytes ?? 0)
      if (record !== undefined) {
        put(batch, number, record)
      } else {
        batch.remove(headings, number)
        batch.remove(contents, number)
      }
    }
    counters.set(batch, bytesCounter, bytes)
  }

  /** Of the oldest records those that must go, some of them. */
  const removeSome = async (handOver: HandOver, before: number, maximumBytes: number): Promise<number> => {
    let bytes = counters.get(bytesCounter)
    const batch = new PreparedBatch()
    let removed = 0
    for (const { key, value } of headings.getRange({ limit: recordsAtOnce })) {
      if (value.receivedAt >= before && bytes <= maximumBytes) break
      batch.remove(headings, key)
      batch.remove(contents, key)
      bytes -= value.bytes
      removed++
    }
    if (removed === 0) return 0
    counters.set(batch, bytesCounter, bytes)
    await handOver(batch)
    return removed
  }

  return {
    stage,
    stageCopies,

    append: (record) => takeTurn((handOver) => written(environment, async () => {
      const batch = new PreparedBatch()
      stage(batch, record)
      await handOver(batch)
    })),

    list: (from, limit) => guarded(environment, () =>
      [...headings.getRange({ start: from, limit })].map(({ key, value }) => open(key, value))),

    find: (number) => guarded(environment, () => {
      const heading = headings.get(number)
      return heading && open(number, heading)
    }),

    range: () => guarded(environment, () => {
      const [first] = headings.getKeys({ limit: 1 })
      const [last] = headings.getKeys({ limit: 1, reverse: true })
      return first === undefined || last === undefined ? undefined : { first, last }
    }),

    async sweep (before, maximumBytes) {
      let removed = 0
      for (let some = recordsAtOnce; some === recordsAtOnce; removed += some) {
        some = await takeTurn((handOver) => guarded(environment, () => removeSome(handOver, before, maximumBytes)))
      }
      return removed
    },
  }
}

/** A sealed content opens only under the number that it was archived with. */
function sealContext (number: number): string {
  return `push-log:${number}`
}
