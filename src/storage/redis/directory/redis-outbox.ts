import type { InstanceEvent } from '../../../directory/instance.ts'
import type { Outbox, OutboxEntry } from '../../../directory/outbox.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { sequenceKey } from './redis-push-rows.ts'
import type { RowCodec } from './redis-rows.ts'
import { SlotBatch } from '../connection/slot-batch.ts'

export interface RedisOutbox extends Outbox {
  /**
   * Adds events to a batch of the market's slot whose guard is its revision.
   *
   * @param lastSequence as it was read with that revision
   */
  stage (batch: SlotBatch, lastSequence: number, events: readonly InstanceEvent[]): void
  /** Puts an entry under the sequence that it has in another store, or removes it; for a batch of the market's slot. */
  stageCopy (batch: SlotBatch, sequence: number, entry: StoredEntry | undefined): void
}

type StoredEntry = Omit<OutboxEntry, 'sequence'>

/** Events by sequence in the market's slot, where the instances are that they tell of. There are none of the test realm. */
export function openRedisOutbox (connection: RedisConnection, codec: RowCodec): RedisOutbox {
  const { keys, reads } = connection
  const entries = keys.market('production', 'outbox')

  const put = (batch: SlotBatch, sequence: number, entry: StoredEntry): void => {
    batch.put(entries, String(sequence), codec.seal(entries, String(sequence), entry))
  }

  return {
    stage (batch, lastSequence, events) {
      for (const [index, event] of events.entries()) put(batch, lastSequence + index + 1, { event, attempts: 0, notBefore: 0 })
      batch.run('SET', sequenceKey(connection), lastSequence + events.length)
    },

    stageCopy (batch, sequence, entry) {
      if (entry === undefined) batch.run('HDEL', entries, String(sequence))
      else put(batch, sequence, entry)
    },

    list: () => connection.guarded(async () => Object.entries(await reads.hgetallBuffer(entries))
      .map(([field, sealed]) => ({ sequence: Number(field), ...codec.open<StoredEntry>(entries, field, sealed) }))
      .sort((a, b) => a.sequence - b.sequence)),

    find: (sequence) => connection.guarded(async () => {
      const sealed = await reads.hgetBuffer(entries, String(sequence))
      return sealed === null ? undefined : { sequence, ...codec.open<StoredEntry>(entries, String(sequence), sealed) }
    }),

    postpone: (sequence, attempts, notBefore) => connection.guarded(async () => {
      const field = String(sequence)
      for (;;) {
        const sealed = await reads.hgetBuffer(entries, field)
        if (sealed === null) return
        const batch = new SlotBatch()
        // What was told meanwhile must not come back.
        batch.expectField(entries, field, sealed)
        put(batch, sequence, { ...codec.open<StoredEntry>(entries, field, sealed), attempts, notBefore })
        if (await connection.commit(batch) === 0) return
      }
    }),

    async remove (sequence) {
      const batch = new SlotBatch()
      batch.run('HDEL', entries, String(sequence))
      await connection.commit(batch)
    },
  }
}
