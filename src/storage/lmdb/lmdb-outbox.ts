import type { Database, RootDatabase } from 'lmdb'
import type { InstanceEvent } from '../../directory/instance.ts'
import type { Outbox, OutboxEntry } from '../../directory/outbox.ts'
import type { Counters } from './lmdb-counters.ts'
import { guarded, written } from './lmdb-environment.ts'
import type { PreparedBatch } from './prepared-batch.ts'

export interface LmdbOutbox extends Outbox {
  /** Adds events to a batch that is handed over in the same turn. */
  stage (batch: PreparedBatch, events: readonly InstanceEvent[]): void
}

const counter = 'outbox'

/** Events in LMDB by sequence, which goes on after a restart and also when the table was empty. */
export function openLmdbOutbox (environment: RootDatabase, counters: Counters): LmdbOutbox {
  const entries: Database<Omit<OutboxEntry, 'sequence'>, number> = environment.openDB('outbox', { encoding: 'msgpack' })

  return {
    stage (batch, events) {
      const last = counters.get(counter)
      for (const [index, event] of events.entries()) batch.put(entries, last + index + 1, { event, attempts: 0, notBefore: 0 })
      if (events.length > 0) counters.set(batch, counter, last + events.length)
    },

    list: () => guarded(environment, () => [...entries.getRange()].map(({ key, value }) => ({ sequence: key, ...value }))),

    find: (sequence) => guarded(environment, () => {
      const entry = entries.get(sequence)
      return entry && { sequence, ...entry }
    }),

    postpone: (sequence, attempts, notBefore) => guarded(environment, async () => {
      const entry = entries.get(sequence)
      if (entry === undefined) return
      await written(environment, () => entries.put(sequence, { ...entry, attempts, notBefore }))
    }),

    remove: (sequence) => guarded(environment, async () => {
      await entries.remove(sequence)
      await environment.flushed
    }),
  }
}
