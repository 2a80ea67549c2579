import type { RedisConnection } from '../connection/redis-connection.ts'
import type { SlotName } from './redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

/** Where the record of a number lies, or is to lie. */
export interface IndexEntry {
  readonly number: number
  readonly where: SlotName
  readonly receivedAt: number
  /** Of the content. */
  readonly bytes: number
  readonly reservedAt: number
}

export interface PushLogIndex {
  /** Under the next number, which is the answer. */
  add (entry: Omit<IndexEntry, 'number'>): Promise<number>
  /** Puts an entry under the number that it has in another store. */
  put (entry: IndexEntry): Promise<void>
  list (from: number, limit: number): Promise<IndexEntry[]>
  find (number: number): Promise<IndexEntry | undefined>
  /** Of all contents, those included whose record never came. */
  bytes (): Promise<number>
  range (): Promise<{ readonly first: number, readonly last: number } | undefined>
  /** `false` if somebody else has removed one of them meanwhile; then nothing was done. */
  remove (entries: readonly IndexEntry[]): Promise<boolean>
}

/** The numbers of the push log in one slot, with what the sweep must know of each record without opening it. */
export function createPushLogIndex (connection: RedisConnection): PushLogIndex {
  const { keys, reads } = connection
  const counter = keys.own('push-log', 'last')
  const total = keys.own('push-log', 'bytes')
  const numbers = keys.own('push-log', 'numbers')
  const entries = keys.own('push-log', 'entries')

  const entriesOf = async (found: readonly string[]): Promise<IndexEntry[]> => {
    const texts = found.length === 0 ? [] : await reads.hmget(entries, ...found)
    return found.flatMap((number, at) => {
      const text = texts[at]
      return text === undefined || text === null ? [] : [{ number: Number(number), ...JSON.parse(text) as Omit<IndexEntry, 'number'> }]
    })
  }

  const find = async (number: number): Promise<IndexEntry | undefined> => (await entriesOf([String(number)])).at(0)

  const stage = (batch: SlotBatch, { number, ...entry }: IndexEntry, bytesBefore: number): void => {
    batch.put(entries, String(number), JSON.stringify(entry))
    batch.run('ZADD', numbers, number, String(number))
    batch.run('INCRBY', total, entry.bytes - bytesBefore)
  }

  return {
    find,

    async add (entry) {
      for (;;) {
        const number = await connection.guarded(() => reads.incr(counter))
        const batch = new SlotBatch()
        // A master that was replaced may have forgotten how far it had counted, but not what was committed.
        batch.expectUnscored(numbers, String(number))
        stage(batch, { number, ...entry }, 0)
        if (await connection.commit(batch) === 0) return number
      }
    },

    async put (entry) {
      const batch = new SlotBatch()
      stage(batch, entry, (await find(entry.number))?.bytes ?? 0)
      await connection.commit(batch)
    },

    list: async (from, limit) => entriesOf(await reads.zrangebyscore(numbers, String(from), '+inf', 'LIMIT', 0, limit)),

    bytes: async () => Number(await reads.get(total) ?? 0),

    async range () {
      const [[first], [last]] = await Promise.all([reads.zrange(numbers, '0', '0'), reads.zrange(numbers, '-1', '-1')])
      return first === undefined || last === undefined ? undefined : { first: Number(first), last: Number(last) }
    },

    async remove (over) {
      const batch = new SlotBatch()
      for (const { number, ...entry } of over) batch.expectField(entries, String(number), JSON.stringify(entry))
      const names = over.map(({ number }) => String(number))
      batch.run('HDEL', entries, ...names)
      batch.run('ZREM', numbers, ...names)
      batch.run('DECRBY', total, over.reduce((sum, { bytes }) => sum + bytes, 0))
      return await connection.commit(batch) === 0
    },
  }
}
