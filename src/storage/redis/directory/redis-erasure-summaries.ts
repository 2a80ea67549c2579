import type { ErasureReceipt, ErasureSummary, UnsignedErasure } from '../../../directory/erasure.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { slotKey, type SlotName } from './redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

/** What was erased and what was signed of it. All of it is production's, and none of it names a person. */
export interface ErasureSummaries {
  /** Takes a number and writes ahead where its summary will lie. One that never comes is passed over. */
  reserve (where: SlotName): Promise<number>
  nextNumber (): Promise<number>
  /** A number taken by `nextNumber` whose summary lies in the market's slot, in a batch of that slot. */
  stageReserved (batch: SlotBatch, number: number): void
  /** Keeps the summary, or a part of one, with the removal that it tells of. */
  stage (batch: SlotBatch, where: SlotName, number: number, summary: Partial<ErasureSummary>): void
  find<Part extends Partial<ErasureSummary>> (where: SlotName, number: number): Promise<Part | undefined>
  forget (where: SlotName, number: number): Promise<void>
  /** The number's summary will not come. */
  release (number: number): Promise<void>
  listUnsigned (): Promise<UnsignedErasure[]>
  keepReceipt (receipt: ErasureReceipt, number: number): Promise<void>
  listReceipts (): Promise<ErasureReceipt[]>
  listNumbered (): Promise<Array<[number: number, receipt: ErasureReceipt]>>
  /** Puts what has the number in another store, or removes it; for a batch of the market's slot. */
  stageCopy (batch: SlotBatch, number: number, copy: SummaryCopy): void
}

export type SummaryCopy =
  | { readonly kind: 'unsigned', readonly value: ErasureSummary | undefined }
  | { readonly kind: 'erasure-receipt', readonly value: ErasureReceipt | undefined }

const market = { realm: 'production' } as const

export function openErasureSummaries (connection: RedisConnection): ErasureSummaries {
  const { keys, reads } = connection
  const counter = keys.market(market.realm, 'erasures', 'last')
  const unsigned = keys.market(market.realm, 'erasures', 'unsigned')
  const receipts = keys.market(market.realm, 'erasures', 'receipts')
  const summariesKey = (where: SlotName): string => slotKey(keys, where, 'erased')

  const nextNumber: ErasureSummaries['nextNumber'] = () => connection.guarded(() => reads.incr(counter))

  const stageReserved = (batch: SlotBatch, number: number, where: SlotName = market): void => {
    batch.put(unsigned, String(number), JSON.stringify(where))
  }

  const find = async <Part extends Partial<ErasureSummary>>(where: SlotName, number: number): Promise<Part | undefined> => {
    const text = await reads.hget(summariesKey(where), String(number))
    return text === null ? undefined : JSON.parse(text) as Part
  }

  const forget: ErasureSummaries['forget'] = async (where, number) => {
    const batch = new SlotBatch()
    batch.run('HDEL', summariesKey(where), String(number))
    await connection.commit(batch)
  }

  const listNumbered = async (): Promise<Array<[number, ErasureReceipt]>> =>
    inOrder(await reads.hgetall(receipts)).map(([number, text]) => [number, JSON.parse(text) as ErasureReceipt])

  return {
    nextNumber,
    stageReserved: (batch, number) => { stageReserved(batch, number) },
    find,
    forget,

    async reserve (where) {
      const number = await nextNumber()
      const batch = new SlotBatch()
      stageReserved(batch, number, where)
      await connection.commit(batch)
      return number
    },

    stage (batch, where, number, summary) {
      batch.put(summariesKey(where), String(number), JSON.stringify(summary))
    },

    async release (number) {
      const batch = new SlotBatch()
      batch.run('HDEL', unsigned, String(number))
      await connection.commit(batch)
    },

    async listUnsigned () {
      const places = inOrder(await reads.hgetall(unsigned))
      const found = await Promise.all(places.map(async ([number, where]) => ({
        number, summary: await find<ErasureSummary>(JSON.parse(where) as SlotName, number),
      })))
      return found.flatMap(({ number, summary }) => summary === undefined ? [] : [{ number, summary }])
    },

    async keepReceipt (receipt, number) {
      const where = await reads.hget(unsigned, String(number))
      const batch = new SlotBatch()
      batch.put(receipts, String(number), JSON.stringify(receipt))
      batch.run('HDEL', unsigned, String(number))
      await connection.commit(batch)
      // Nothing leads to it any more: if a crash leaves it, nobody meets it.
      if (where !== null) await forget(JSON.parse(where) as SlotName, number)
    },

    listReceipts: async () => (await listNumbered()).map(([, receipt]) => receipt),
    listNumbered: () => connection.guarded(listNumbered),

    stageCopy (batch, number, { kind, value }) {
      const field = String(number)
      if (kind === 'erasure-receipt') {
        if (value === undefined) batch.run('HDEL', receipts, field)
        else batch.put(receipts, field, JSON.stringify(value))
        return
      }
      if (value === undefined) {
        batch.run('HDEL', unsigned, field)
        return
      }
      stageReserved(batch, number)
      batch.put(summariesKey(market), field, JSON.stringify(value))
    },
  }
}

function inOrder (fields: Record<string, string>): Array<[number: number, text: string]> {
  return Object.entries(fields).map(([field, text]): [number, string] => [Number(field), text]).sort(([a], [b]) => a - b)
}
