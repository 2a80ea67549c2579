import type { PushReceipt } from '../../../directory/directory-store.ts'
import type { Realm, TenantId } from '../../../directory/model.ts'
import type { ReadCommand } from '../connection/read-together.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { slotKey, type DirectoryHashes, type RowCodec, type SlotName } from './redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

/**
 * Which signatures were taken and what was answered.
 *
 * A receipt and the answer that its commit knew lie in the slot of the push, so that they come with it. An answer that came otherwise, and
 * a copy of each that came with a commit, is in one hash for all: there it is found by the signature alone, before anybody has read whom
 * the message is about. The copy is a shortcut: without it (a crash in between) the commit finds the receipt and gives the same answer.
 */
export interface RedisReceipts {
  /** What `read` needs to know; two replies. */
  commands (where: SlotName, signatureDigest: string): ReadCommand[]
  /** `undefined` for a signature that was not taken. */
  read (
    where: SlotName, signatureDigest: string, score: Buffer | null, answer: Buffer | null,
  ): { readonly answer: string | undefined } | undefined
  /** Guards and keeps: the batch holds only if the signature was not taken. */
  stage (batch: SlotBatch, where: SlotName, receipt: PushReceipt): void
  /** Makes the answer of a commit that is done findable by the signature alone. */
  copyAnswer (receipt: PushReceipt): void
  keepAnswer (signatureDigest: string, expiresAt: number, answer: string): Promise<void>
  findAnswer (signatureDigest: string): Promise<string | undefined>
  /** All that are kept, of all slots; one may come several times. */
  list (): AsyncGenerator<KeptReceipt>
  /** Keeps a receipt from a store that does not know whom its message was about. Its answer, if any, is kept by `keepAnswer`. */
  keepReceipt (signatureDigest: string, expiresAt: number): Promise<void>
  /** Returns how many receipts went. */
  sweep (now: number): Promise<number>
}

export interface KeptReceipt {
  readonly signatureDigest: string
  /** Epoch ms. */
  readonly expiresAt: number
  /** `false` for an answer that was kept by itself. */
  readonly isTaken: boolean
  readonly answer: string | undefined
}

/** Removed in one step. */
const receiptsAtOnce = 1_000
/** Asked for together. */
const slotsAtOnce = 500

const realms = ['production', 'test'] as const

export interface ReceiptsParts {
  readonly connection: RedisConnection
  readonly hashes: DirectoryHashes
  readonly codec: RowCodec
}

export function openRedisReceipts ({ connection, hashes, codec }: ReceiptsParts): RedisReceipts {
  const { keys, reads } = connection
  const receiptsOf = (where: SlotName): string => slotKey(keys, where, 'receipts')
  const answersOf = (where: SlotName): string => slotKey(keys, where, 'answers')
  const ownTimes = keys.own('answer-times')
  const ownAnswers = keys.own('answers')

  const ownAnswer = (signatureDigest: string, expiresAt: number, answer: string): SlotBatch => {
    const batch = new SlotBatch()
    batch.put(ownAnswers, signatureDigest, codec.seal(ownAnswers, signatureDigest, answer))
    batch.run('ZADD', ownTimes, expiresAt, signatureDigest)
    return batch
  }

  /** Forgets what expired before `now` in a sorted set, and the answers beside it. */
  const sweepSlot = async (times: string, answers: string, now: number): Promise<number> => {
    let removed = 0
    for (;;) {
      const expired = await reads.zrangebyscore(times, '-inf', `(${now}`, 'LIMIT', 0, receiptsAtOnce)
      if (expired.length === 0) return removed
      const batch = new SlotBatch()
      batch.run('HDEL', answers, ...expired)
      batch.run('ZREM', times, ...expired)
      await connection.commitLoosely(batch)
      removed += expired.length
    }
  }

  async function * listSlot (times: string, answers: string, isTaken: boolean): AsyncGenerator<KeptReceipt> {
    const [found, sealed] = await connection.guarded(() => Promise.all([reads.zrange(times, '0', '-1', 'WITHSCORES'), reads.hgetallBuffer(answers)]))
    for (let at = 0; at < found.length; at += 2) {
      const signatureDigest = found[at] ?? ''
      const answer = sealed[signatureDigest]
      yield {
        signatureDigest,
        expiresAt: Number(found[at + 1]),
        isTaken,
        answer: answer === undefined ? undefined : codec.open<string>(answers, signatureDigest, answer),
      }
    }
  }

  const slotsOf = async (realm: Realm): Promise<SlotName[]> => {
    const tenantIds = await connection.guarded(() => reads.smembers(hashes.tenantIds(realm))) as TenantId[]
    return [{ realm }, ...tenantIds.map((tenantId) => ({ realm, tenantId }))]
  }

  return {
    async * list () {
      yield * listSlot(ownTimes, ownAnswers, false)
      for (const realm of realms) {
        for (const where of await slotsOf(realm)) yield * listSlot(receiptsOf(where), answersOf(where), true)
      }
    },

    async keepReceipt (signatureDigest, expiresAt) {
      // One without an answer is of an instance's creation, whose slot is the market's: which realm's, nobody knows here.
      for (const realm of realms) {
        const batch = new SlotBatch()
        batch.run('ZADD', receiptsOf({ realm }), expiresAt, signatureDigest)
        await connection.commit(batch)
      }
    },

    commands: (where, signatureDigest) => [['ZSCORE', receiptsOf(where), signatureDigest], ['HGET', answersOf(where), signatureDigest]],

    read: (where, signatureDigest, score, answer) => score === null
      ? undefined
      : { answer: answer === null ? undefined : codec.open<string>(answersOf(where), signatureDigest, answer) },

    stage (batch, where, { signatureDigest, expiresAt, answer }) {
      batch.expectUnscored(receiptsOf(where), signatureDigest)
      batch.run('ZADD', receiptsOf(where), expiresAt, signatureDigest)
      if (answer !== undefined) batch.put(answersOf(where), signatureDigest, codec.seal(answersOf(where), signatureDigest, answer))
    },

    copyAnswer ({ signatureDigest, expiresAt, answer }) {
      if (answer !== undefined) connection.commitLoosely(ownAnswer(signatureDigest, expiresAt, answer)).catch(() => undefined)
    },

    async keepAnswer (signatureDigest, expiresAt, answer) {
      await connection.commit(ownAnswer(signatureDigest, expiresAt, answer))
    },

    findAnswer: (signatureDigest) => connection.guarded(async () => {
      const sealed = await reads.hgetBuffer(ownAnswers, signatureDigest)
      return sealed === null ? undefined : codec.open<string>(ownAnswers, signatureDigest, sealed)
    }),

    sweep: (now) => connection.guarded(async () => {
      await sweepSlot(ownTimes, ownAnswers, now)
      let removed = 0
      for (const realm of realms) {
        const slots = await slotsOf(realm)
        for (let at = 0; at < slots.length; at += slotsAtOnce) {
          const some = slots.slice(at, at + slotsAtOnce)
          const counts = await Promise.all(some.map((where) => sweepSlot(receiptsOf(where), answersOf(where), now)))
          removed += counts.reduce((sum, count) => sum + count, 0)
        }
      }
      return removed
    }),
  }
}
