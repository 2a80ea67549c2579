import type { Database } from 'lmdb'
import type { Clock } from '../../base/clock.ts'
import type { KeyUsage } from '../../base/key-usage-store.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import type { ErasureReceipt, ErasureSummary } from '../../directory/erasure.ts'
import type { OutboxEntry } from '../../directory/outbox.ts'
import type { FlowRef } from '../../session/login-flow.ts'
import type { CopyEnd } from '../copy/copy-end.ts'
import { dumpPorts } from '../copy/dump-ports.ts'
import { rowWriteOf } from '../copy/row-write-of.ts'
import { planOf, type CounterName, type StoredThing, type ThingChange, type ThingKey } from '../copy/stored-thing.ts'
import { isPortChange, writePort, type PortChange } from '../copy/write-ports.ts'
import { openCounters } from './lmdb-counters.ts'
import { openDirectoryRows } from './lmdb-directory-rows.ts'
import { guarded, openLmdbEnvironment, written } from './lmdb-environment.ts'
import { openErasurePlans } from './lmdb-erasure-plans.ts'
import { openMoveState } from './lmdb-move-state.ts'
import { openLmdbPushLog } from './lmdb-push-log.ts'
import { openReceipts } from './lmdb-receipts.ts'
import { openTurns } from './lmdb-turns.ts'
import { openLmdbPorts } from './open-lmdb-storage.ts'
import { PreparedBatch } from './prepared-batch.ts'

/** By their names in the files. */
const counterNames: Readonly<Record<CounterName, string>> = { 'push-log': 'push-log', outbox: 'outbox', erasures: 'erasure-receipts' }

/** What a batch writes by itself. */
type LoneChange = PortChange | Extract<ThingChange, { kind: 'signing-key' }>
type BatchChange = Exclude<ThingChange, LoneChange | { kind: 'push' }>

/** The embedded store as an end of a copy, also while a gateway of another process is on it. */
export function openLmdbCopyEnd (folder: string, box: SealedBox, clock: Clock, options: { readonly mustExist?: boolean } = {}): CopyEnd {
  const environment = openLmdbEnvironment(folder, options)
  const storage = openLmdbPorts(environment, box, clock)
  const state = openMoveState(environment)
  const counters = openCounters(environment)
  const rows = openDirectoryRows(environment, box)
  const receipts = openReceipts(environment, box)
  const plans = openErasurePlans(environment)
  const pushLog = openLmdbPushLog(environment, box, counters, openTurns(environment, clock)('directory'))
  const table = <Value, Key extends string | number | string[]>(name: string, useVersions = false): Database<Value, Key> =>
    environment.openDB(name, { encoding: 'msgpack', useVersions })
  const takenSignatures = table<number, string>('push-receipts')
  const answers = table<{ expiresAt: number }, string>('push-answers')
  const events = table<Omit<OutboxEntry, 'sequence'>, number>('outbox')
  const unsigned = table<ErasureSummary, number>('erasures-unsigned')
  const erasureReceipts = table<ErasureReceipt, number>('erasure-receipts')
  const keyUsage = table<Pick<KeyUsage, 'firstSeenAt' | 'lastUsedAt' | 'uses'>, string[]>('key-usage')
  const flows = table<unknown, FlowRef>('login-flows', true)
  const confirmations = table<unknown, FlowRef>('confirmations', true)
  const codes = table<number, string>('spent-codes', true)
  const signingKeys = table<unknown, string>('signing-keys', true)

  async function * dumpOwn (): AsyncGenerator<StoredThing> {
    for (const { key, value } of takenSignatures.getRange()) yield { kind: 'receipt', key: [key], value }
    for (const { key, value: { expiresAt } } of answers.getRange()) {
      const answer = receipts.answerTo(key)
      if (answer !== undefined) yield { kind: 'answer', key: [key], value: { expiresAt, answer } }
    }
    for (const [name, stored] of Object.entries(counterNames)) yield { kind: 'counter', key: [name], value: counters.get(stored) }
    for (const { key, value } of erasureReceipts.getRange()) yield { kind: 'erasure-receipt', key: [String(key)], value }
    for (const { key, value } of codes.getRange()) yield { kind: 'code', key: [key], value }
    for (const ref of [...flows.getKeys()]) {
      const value = await storage.flows.findFlow(ref)
      if (value !== undefined) yield { kind: 'flow', key: [ref], value }
    }
    for (const ref of [...confirmations.getKeys()]) {
      const value = await storage.flows.findConfirmation(ref)
      if (value !== undefined) yield { kind: 'confirmation', key: [ref], value }
    }
  }

  function stageRow (batch: PreparedBatch, key: ThingKey, value: unknown): void {
    if (value === undefined) {
      batch.remove(rows.table, [...key])
      return
    }
    const { realm, tenantId, instanceId, write } = rowWriteOf(key, value)
    rows.stage(batch, realm, tenantId ?? '', write)
    if (tenantId !== undefined) rows.stageBound(batch, realm, tenantId, instanceId)
  }

  function stageNumbered<Value> (batch: PreparedBatch, into: Database<Value, number>, [number]: ThingKey, value: Value | undefined): void {
    if (value === undefined) batch.remove(into, Number(number))
    else batch.put(into, Number(number), value)
  }

  function stage (batch: PreparedBatch, change: BatchChange): void {
    const [id = '', fingerprint = ''] = change.key
    switch (change.kind) {
      case 'row': stageRow(batch, change.key, change.value); break
      case 'receipt': if (change.value !== undefined) receipts.stage(batch, { signatureDigest: id, expiresAt: change.value }); break
      case 'answer': if (change.value !== undefined) receipts.stageAnswer(batch, id, change.value.expiresAt, change.value.answer); break
      case 'counter': counters.set(batch, counterNames[id as CounterName], change.value ?? 0); break
      case 'event': stageNumbered(batch, events, change.key, change.value); break
      case 'unsigned': stageNumbered(batch, unsigned, change.key, change.value); break
      case 'erasure-receipt': stageNumbered(batch, erasureReceipts, change.key, change.value); break
      case 'plan':
        if (change.value !== undefined) plans.stage(batch, change.value)
        else plans.stageRemoval(batch, planOf(change.key))
        break
      case 'key-usage':
        if (change.value === undefined) batch.remove(keyUsage, [id, fingerprint])
        else batch.put(keyUsage, [id, fingerprint], change.value)
    }
  }

  async function writeAlone (change: LoneChange): Promise<void> {
    if (isPortChange(change)) return writePort(storage, change)
    const [place = ''] = change.key
    if (change.value === undefined) await signingKeys.remove(place)
    else await storage.signingKeys.replace(change.value)
  }

  return {
    async * dump () {
      yield * dumpPorts(storage)
      yield * dumpOwn()
    },

    write: (changes) => written(environment, async () => {
      const batch = new PreparedBatch()
      const pushes: Array<Extract<ThingChange, { kind: 'push' }>> = []
      const alone: Array<Promise<void>> = []
      for (const change of changes) {
        if (change.kind === 'push') pushes.push(change)
        else if (isPortChange(change) || change.kind === 'signing-key') alone.push(writeAlone(change))
        else stage(batch, change)
      }
      const copies = pushes.map(({ key: [number], value }) => ({ number: Number(number), record: value }))
      if (copies.length > 0) pushLog.stageCopies(batch, copies)
      await Promise.all([...alone, batch.hand(environment)])
    }),

    readState: () => guarded(environment, () => state.read()),
    writeState: (next) => state.write(next),
    close: () => storage.close(),
  }
}
