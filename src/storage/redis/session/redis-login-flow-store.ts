import type { Clock } from '../../../base/clock.ts'
import { faults } from '../../../base/coded-errors.ts'
import type { SealedBox } from '../../../base/sealed-box.ts'
import type { FlowRef, LoginFlow, LoginFlowStore, PendingConfirmation } from '../../../session/login-flow.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { openRedisShortLived, type RedisShortLived } from './redis-short-lived.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

interface Parts {
  readonly connection: RedisConnection
  readonly rows: RedisShortLived
  readonly box: SealedBox
  readonly clock: Clock
}

/** Login flows, confirmations and spent codes in Redis; all of them short-lived and one-time, for all gateways together. */
export function openRedisLoginFlowStore (connection: RedisConnection, box: SealedBox, clock: Clock): LoginFlowStore {
  const rows = openRedisShortLived(connection, 'f')
  const parts = { connection, rows, box, clock }
  const flows = openOneTimeTable<LoginFlow>(parts, 'login-flows')
  const confirmations = openOneTimeTable<PendingConfirmation>(parts, 'confirmations')

  return {
    saveFlow: flows.save,
    findFlow: flows.find,
    consumeFlow: flows.consume,
    saveConfirmation: confirmations.save,
    findConfirmation: confirmations.find,
    consumeConfirmation: confirmations.consume,

    claimCode: async (codeDigest, expiresAt) => {
      const id = claimOf(codeDigest)
      const batch = new SlotBatch()
      batch.expect(rows.keyOf(id), '')
      rows.put(batch, id, expiresAt, expiresAt, clock.now())
      return await connection.commit(batch) === 0
    },

    isClaimed: (codeDigest) => connection.guarded(async () => await connection.reads.exists(rows.keyOf(claimOf(codeDigest))) === 1),

    // What ends at this very moment stays, as the contract says "before".
    sweep: (now) => rows.sweep(now - 1),
  }
}

const claimOf = (codeDigest: string): string => `spent-codes:${codeDigest}`

function openOneTimeTable<Row extends { ref: FlowRef, expiresAt: number }> ({ connection, rows, box, clock }: Parts, name: string) {
  const idOf = (ref: FlowRef): string => `${name}:${ref}`
  const read = (ref: FlowRef): Promise<Buffer | null> => connection.guarded(() => connection.reads.getBuffer(rows.keyOf(idOf(ref))))
  const open = (ref: FlowRef, sealed: Buffer): Row => {
    const opened = box.open(sealed, idOf(ref))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return JSON.parse(opened.toString()) as Row
  }

  return {
    save: async (row: Row): Promise<void> => {
      const batch = new SlotBatch()
      rows.put(batch, idOf(row.ref), box.seal(JSON.stringify(row), idOf(row.ref)), row.expiresAt, clock.now())
      await connection.commit(batch)
    },
    find: async (ref: FlowRef): Promise<Row | undefined> => {
      const sealed = await read(ref)
      return sealed === null ? undefined : open(ref, sealed)
    },
    consume: async (ref: FlowRef): Promise<Row | undefined> => {
      const sealed = await read(ref)
      if (sealed === null) return undefined
      const row = open(ref, sealed)
      const batch = new SlotBatch()
      // Whoever removes it has consumed it: for every other one it has changed.
      batch.expect(rows.keyOf(idOf(ref)), sealed)
      rows.remove(batch, idOf(ref))
      return await connection.commit(batch) === 0 ? row : undefined
    },
  }
}
