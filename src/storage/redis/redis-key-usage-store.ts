import type { KeyUsage, KeyUsageStore } from '../../base/key-usage-store.ts'
import type { RedisConnection } from './connection/redis-connection.ts'
import { SlotBatch } from './connection/slot-batch.ts'

type Member = 'first' | 'last' | 'uses'

/** One hash holds them all: there are as many keys as somebody has ever configured. */
export function openRedisKeyUsageStore (connection: RedisConnection): KeyUsageStore {
  const { keys, reads } = connection
  const place = keys.own('key-usage')

  return {
    async see (kind, fingerprints, now) {
      const batch = new SlotBatch()
      for (const fingerprint of fingerprints) batch.run('HSETNX', place, fieldOf(kind, fingerprint, 'first'), now)
      if (!batch.isEmpty) await connection.commit(batch)
    },

    async use (kind, fingerprint, now) {
      const batch = new SlotBatch()
      batch.run('HSETNX', place, fieldOf(kind, fingerprint, 'first'), now)
      batch.run('HSET', place, fieldOf(kind, fingerprint, 'last'), now)
      batch.run('HINCRBY', place, fieldOf(kind, fingerprint, 'uses'), 1)
      await connection.commitLoosely(batch)
    },

    list: () => connection.guarded(async () => readUsage(await reads.hgetall(place))),
  }
}

/** Writes over what is known of a key, or forgets it. */
export function stageKeyUsage (
  batch: SlotBatch, { keys }: Pick<RedisConnection, 'keys'>, kind: string, fingerprint: string,
  usage: Pick<KeyUsage, 'firstSeenAt' | 'lastUsedAt' | 'uses'> | undefined,
): void {
  const place = keys.own('key-usage')
  const field = (member: Member): string => fieldOf(kind, fingerprint, member)
  batch.run('HDEL', place, field('first'), field('last'), field('uses'))
  if (usage === undefined) return
  batch.run('HSET', place, field('first'), usage.firstSeenAt, field('uses'), usage.uses)
  if (usage.lastUsedAt !== undefined) batch.run('HSET', place, field('last'), usage.lastUsedAt)
}

function fieldOf (kind: string, fingerprint: string, member: Member): string {
  return JSON.stringify([kind, fingerprint, member])
}

function readUsage (fields: Record<string, string>): KeyUsage[] {
  return Object.keys(fields)
    .map((field) => JSON.parse(field) as [string, string, Member])
    .filter(([, , member]) => member === 'first')
    .map(([kind, fingerprint]) => {
      const last = fields[fieldOf(kind, fingerprint, 'last')]
      return {
        kind,
        fingerprint,
        firstSeenAt: Number(fields[fieldOf(kind, fingerprint, 'first')]),
        lastUsedAt: last === undefined ? undefined : Number(last),
        uses: Number(fields[fieldOf(kind, fingerprint, 'uses')] ?? 0),
      }
    })
    .sort((a, b) => compare(a.kind, b.kind) || compare(a.fingerprint, b.fingerprint))
}

function compare (a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
