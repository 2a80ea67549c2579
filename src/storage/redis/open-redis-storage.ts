import type { Clock } from '../../base/clock.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { guardStorage } from '../guard-storage.ts'
import type { Storage } from '../storage.ts'
import { openRedisChanges } from './redis-changes.ts'
import type { RedisConnection } from './connection/redis-connection.ts'
import { openRedisDirectoryListing } from './directory/redis-directory-listing.ts'
import { openRedisDirectoryStore } from './directory/redis-directory-store.ts'
import { openErasurePlans } from './directory/redis-erasure-plans.ts'
import { openRedisErasureStore } from './directory/redis-erasure-store.ts'
import { openRedisKeyUsageStore } from './redis-key-usage-store.ts'
import { openRedisLeaseStore } from './redis-lease-store.ts'
import { openRedisLoginFlowStore } from './session/redis-login-flow-store.ts'
import { createMoveLook } from './copy/redis-move-state.ts'
import { openRedisOutbox } from './directory/redis-outbox.ts'
import { openRedisPushLog } from './directory/redis-push-log.ts'
import { openRedisRateLimitStore } from './redis-rate-limit-store.ts'
import { openRedisReceipts } from './directory/redis-receipts.ts'
import { createDirectoryHashes, createRowCodec } from './directory/redis-rows.ts'
import { openRedisSessionStore } from './session/redis-session-store.ts'
import { openRedisSigningKeyStore } from './redis-signing-key-store.ts'
import { SlotBatch } from './connection/slot-batch.ts'

/** Every port on one Redis, which other gateways use too. Closes the connection with it. */
export function openRedisStorage (connection: RedisConnection, box: SealedBox, clock: Clock): Storage {
  return guardStorage(openRedisPorts(connection, box, clock), createMoveLook(connection, clock))
}

/** The same whatever the move state says, for whoever moves the store. */
export function openRedisPorts (connection: RedisConnection, box: SealedBox, clock: Clock): Storage {
  const hashes = createDirectoryHashes(connection.keys)
  const codec = createRowCodec(box)
  const changes = openRedisChanges(connection)
  const plans = openErasurePlans(connection)
  const rows = { connection, hashes, codec }
  const receipts = openRedisReceipts(rows)
  const outbox = openRedisOutbox(connection, codec)
  const pushLog = openRedisPushLog(connection, box, clock)
  return {
    directory: openRedisDirectoryStore({ ...rows, clock, receipts, plans, outbox, pushLog, changes }),
    listing: openRedisDirectoryListing(rows),
    outbox,
    pushLog,
    erasures: openRedisErasureStore({ ...rows, plans, changes }),
    keyUsage: openRedisKeyUsageStore(connection),
    sessions: openRedisSessionStore(connection, box, changes, clock),
    flows: openRedisLoginFlowStore(connection, box, clock),
    signingKeys: openRedisSigningKeyStore(connection, box),
    leases: openRedisLeaseStore(connection),
    rateLimits: openRedisRateLimitStore(connection),
    changes,
    async check () {
      const probe = new SlotBatch()
      probe.run('SET', connection.keys.own('probe'), 1)
      await connection.commit(probe)
    },
    close: () => connection.close(),
  }
}
