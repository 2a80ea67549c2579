import type { Clock } from '../../../base/clock.ts'
import type { SealedBox } from '../../../base/sealed-box.ts'
import type { FlowRef } from '../../../session/login-flow.ts'
import type { CopyEnd } from '../../copy/copy-end.ts'
import { dumpPorts } from '../../copy/dump-ports.ts'
import { planOf, type CounterName, type StoredThing, type ThingChange } from '../../copy/stored-thing.ts'
import { isPortChange, writePort } from '../../copy/write-ports.ts'
import { openRedisPorts } from '../open-redis-storage.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { copyRows } from './redis-copy-rows.ts'
import { openErasurePlans } from '../directory/redis-erasure-plans.ts'
import { openErasureSummaries } from '../directory/redis-erasure-summaries.ts'
import { stageKeyUsage } from '../redis-key-usage-store.ts'
import { readMoveState, writeMoveState } from './redis-move-state.ts'
import { openRedisOutbox } from '../directory/redis-outbox.ts'
import { openRedisPushLog } from '../directory/redis-push-log.ts'
import { sequenceKey } from '../directory/redis-push-rows.ts'
import { openRedisReceipts } from '../directory/redis-receipts.ts'
import { createDirectoryHashes, createRowCodec, type SlotName } from '../directory/redis-rows.ts'
import { openRedisShortLived } from '../session/redis-short-lived.ts'
import { forgetSigningKey } from '../redis-signing-key-store.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

const market = { realm: 'production' } as const

/** Redis as an end of a copy, also while gateways are on it. Closes the connection with it. */
export function openRedisCopyEnd (connection: RedisConnection, box: SealedBox, clock: Clock): CopyEnd {
  const { keys, reads } = connection
  const storage = openRedisPorts(connection, box, clock)
  const parts = { connection, hashes: createDirectoryHashes(keys), codec: createRowCodec(box) }
  const receipts = openRedisReceipts(parts)
  const outbox = openRedisOutbox(connection, parts.codec)
  const pushLog = openRedisPushLog(connection, box, clock)
  const plans = openErasurePlans(connection)
  const summaries = openErasureSummaries(connection)
  const shortLived = openRedisShortLived(connection, 'f')
  const counters: Readonly<Record<CounterName, string>> = {
    'push-log': keys.own('push-log', 'last'), outbox: sequenceKey(connection), erasures: keys.market(market.realm, 'erasures', 'last'),
  }

  async function * dumpReceipts (): AsyncGenerator<StoredThing> {
    const seen = new Set<string>()
    for await (const { signatureDigest, expiresAt, isTaken, answer } of receipts.list()) {
      const isNew = (kind: string): boolean => seen.size < seen.add(`${kind}:${signatureDigest}`).size
      if (isTaken && isNew('receipt')) yield { kind: 'receipt', key: [signatureDigest], value: expiresAt }
      if (answer !== undefined && isNew('answer')) yield { kind: 'answer', key: [signatureDigest], value: { expiresAt, answer } }
    }
  }

  async function * dumpFlows (): AsyncGenerator<StoredThing> {
    for await (const { id, expiresAt } of shortLived.list()) {
      const [table = '', ref = ''] = id.split(':')
      if (table === 'spent-codes') yield { kind: 'code', key: [ref], value: expiresAt }
      const flow = table === 'login-flows' ? await storage.flows.findFlow(ref as FlowRef) : undefined
      if (flow !== undefined) yield { kind: 'flow', key: [ref], value: flow }
      const confirmation = table === 'confirmations' ? await storage.flows.findConfirmation(ref as FlowRef) : undefined
      if (confirmation !== undefined) yield { kind: 'confirmation', key: [ref], value: confirmation }
    }
  }

  async function * dumpOwn (): AsyncGenerator<StoredThing> {
    for (const [name, key] of Object.entries(counters)) {
      yield { kind: 'counter', key: [name], value: Number(await connection.guarded(() => reads.get(key)) ?? 0) }
    }
    for (const [number, value] of await summaries.listNumbered()) yield { kind: 'erasure-receipt', key: [String(number)], value }
  }

  async function writePlan ({ key, value }: Extract<ThingChange, { kind: 'plan' }>): Promise<void> {
    const planned = planOf(key)
    const { scope } = planned
    const where: SlotName = scope.kind === 'instance' ? market : { ...market, tenantId: scope.tenantId }
    const batch = new SlotBatch()
    if (value === undefined) {
      plans.stageRemoval(batch, where, planned)
    } else {
      if (scope.kind !== 'instance') {
        const lead = new SlotBatch()
        plans.stageTenant(lead, scope.tenantId)
        await connection.commit(lead)
      }
      plans.stage(batch, where, [value])
    }
    await connection.commit(batch)
  }

  async function writeCounter (key: string, value: number): Promise<void> {
    const batch = new SlotBatch()
    batch.run('SET', key, value)
    await connection.commit(batch)
  }

  async function inBatch (fill: (batch: SlotBatch) => void): Promise<void> {
    const batch = new SlotBatch()
    fill(batch)
    await connection.commit(batch)
  }

  async function writeOne (change: Exclude<ThingChange, { kind: 'row' }>): Promise<void> {
    if (isPortChange(change)) return writePort(storage, change)
    const [id = '', fingerprint = ''] = change.key
    switch (change.kind) {
      case 'receipt': if (change.value !== undefined) await receipts.keepReceipt(id, change.value); break
      case 'answer': if (change.value !== undefined) await receipts.keepAnswer(id, change.value.expiresAt, change.value.answer); break
      case 'event': await inBatch((batch) => { outbox.stageCopy(batch, Number(id), change.value) }); break
      case 'push': await pushLog.copy(Number(id), change.value); break
      case 'counter': await writeCounter(counters[id as CounterName], change.value ?? 0); break
      case 'plan': await writePlan(change); break
      case 'unsigned': case 'erasure-receipt': await inBatch((batch) => { summaries.stageCopy(batch, Number(id), change) }); break
      case 'key-usage': await inBatch((batch) => { stageKeyUsage(batch, connection, id, fingerprint, change.value) }); break
      case 'signing-key':
        if (change.value === undefined) await forgetSigningKey(connection, id)
        else await storage.signingKeys.replace(change.value)
    }
  }

  return {
    async * dump () {
      yield * dumpPorts(storage)
      yield * dumpReceipts()
      yield * dumpFlows()
      yield * dumpOwn()
    },

    write: (changes) => connection.guarded(async () => {
      const rows = changes.filter((change) => change.kind === 'row')
      const others = changes.filter((change) => change.kind !== 'row')
      await copyRows(parts, rows)
      await Promise.all(others.map(writeOne))
    }),

    readState: () => readMoveState(connection),
    writeState: (state) => writeMoveState(connection, state),
    close: () => storage.close(),
  }
}
