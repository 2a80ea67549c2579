import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { PushReceipt } from '../../directory/directory-store.ts'
import type { PreparedBatch } from './prepared-batch.ts'
import { sweepTable } from './sweep-table.ts'

interface StoredAnswer { expiresAt: number, sealed: Buffer }

/** Which signatures were taken and what was answered. An answer may name people and places of the customer: it is sealed. */
export interface Receipts {
  isTaken (signatureDigest: string): boolean
  answerTo (signatureDigest: string): string | undefined
  stage (batch: PreparedBatch, receipt: PushReceipt): void
  stageAnswer (batch: PreparedBatch, signatureDigest: string, expiresAt: number, answer: string): void
  /** Returns how many receipts went. */
  sweep (now: number): Promise<number>
}

export function openReceipts (environment: RootDatabase, box: SealedBox): Receipts {
  const receipts: Database<number, string> = environment.openDB('push-receipts', { encoding: 'msgpack' })
  const answers: Database<StoredAnswer, string> = environment.openDB('push-answers', { encoding: 'msgpack' })
  const sealContext = (signatureDigest: string): string => `push-answer:${signatureDigest}`

  const stageAnswer: Receipts['stageAnswer'] = (batch, signatureDigest, expiresAt, answer) => {
    batch.put(answers, signatureDigest, { expiresAt, sealed: box.seal(answer, sealContext(signatureDigest)) })
  }

  return {
    isTaken: (signatureDigest) => receipts.get(signatureDigest) !== undefined,

    answerTo (signatureDigest) {
      const stored = answers.get(signatureDigest)
      if (stored === undefined) return undefined
      const opened = box.open(stored.sealed, sealContext(signatureDigest))
      if (opened === undefined) throw new faults.StorageCorrupt()
      return opened.toString()
    },

    stage (batch, { signatureDigest, expiresAt, answer }) {
      batch.put(receipts, signatureDigest, expiresAt)
      if (answer !== undefined) stageAnswer(batch, signatureDigest, expiresAt, answer)
    },

    stageAnswer,

    async sweep (now) {
      await sweepTable(environment, answers, ({ expiresAt }) => expiresAt < now)
      return sweepTable(environment, receipts, (expiresAt) => expiresAt < now)
    },
  }
}
