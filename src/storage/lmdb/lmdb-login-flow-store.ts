import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { FlowRef, LoginFlow, LoginFlowStore, PendingConfirmation } from '../../session/login-flow.ts'
import { guarded, written } from './lmdb-environment.ts'
import { sweepTable } from './sweep-table.ts'

interface Stored { expiresAt: number, sealed: Buffer }

/** Login flows, confirmations and spent codes in LMDB; all of them short-lived and one-time. */
export function openLmdbLoginFlowStore (environment: RootDatabase, box: SealedBox): LoginFlowStore {
  const flows = openOneTimeTable<LoginFlow>(environment, box, 'login-flows')
  const confirmations = openOneTimeTable<PendingConfirmation>(environment, box, 'confirmations')
  const codes: Database<number, string> = environment.openDB('spent-codes', { encoding: 'msgpack', useVersions: true })

  return {
    saveFlow: flows.save,
    findFlow: flows.find,
    consumeFlow: flows.consume,
    saveConfirmation: confirmations.save,
    findConfirmation: confirmations.find,
    consumeConfirmation: confirmations.consume,

    // Version compared with "none yet": of two callbacks at once one write goes through.
    claimCode: (codeDigest, expiresAt) => written(environment, () => codes.put(codeDigest, expiresAt, 1, null as unknown as number)),

    isClaimed: async (codeDigest) => guarded(environment, () => codes.doesExist(codeDigest)),

    sweep: (now) => guarded(environment, async () =>
      await sweepTable(environment, codes, (expiresAt) => expiresAt < now) + await flows.sweep(now) + await confirmations.sweep(now)),
  }
}

function openOneTimeTable<Row extends { ref: FlowRef, expiresAt: number }> (environment: RootDatabase, box: SealedBox, name: string) {
  const table: Database<Stored, FlowRef> = environment.openDB(name, { encoding: 'msgpack', useVersions: true })
  const sealContext = (ref: FlowRef): string => `${name}:${ref}`
  const find = (ref: FlowRef): Row | undefined => {
    const stored = table.get(ref)
    if (stored === undefined) return undefined
    const opened = box.open(stored.sealed, sealContext(ref))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return JSON.parse(opened.toString()) as Row
  }

  return {
    save: async (row: Row) => {
      const sealed = box.seal(JSON.stringify(row), sealContext(row.ref))
      await written(environment, () => table.put(row.ref, { expiresAt: row.expiresAt, sealed }, 1))
    },
    find: (ref: FlowRef) => guarded(environment, () => find(ref)),
    consume: (ref: FlowRef) => guarded(environment, async () => {
      const row = find(ref)
      // Removing at a version succeeds once: whoever removed it has consumed it.
      if (row === undefined || !await table.remove(ref, 1)) return undefined
      await environment.flushed
      return row
    }),
    sweep: (now: number) => sweepTable(environment, table, ({ expiresAt }) => expiresAt < now),
  }
}
