import type { ChainableCommander, Cluster, Redis } from 'ioredis'
import { codeOf, faults } from '../../../base/coded-errors.ts'
import { withoutCommand } from './describe-redis-error.ts'
import { createRedisKeys, type RedisKeys } from './redis-keys.ts'
import { batchScript, type SlotBatch } from './slot-batch.ts'

export type RedisClient = Redis | Cluster

/** The connections of one gateway: reads don't wait behind writes that wait for replicas, and a subscriber can do nothing else. */
export interface RedisClients {
  readonly reads: RedisClient
  readonly writes: RedisClient
  /** One connection in every topology: notifications reach each node of a cluster. Its `status` says whether they are heard. */
  readonly subscriber: Redis
}

export interface Durability {
  /** How many replicas must have a write before it counts (WAIT); 0 for none. */
  readonly replicas: number
  /** Whether the server is asked to wait for its own disk as well (WAITAOF, Redis 7.2); `false` where it syncs each write anyway. */
  readonly waitForDisk: boolean
  readonly timeoutMs: number
}

export interface RedisConnection {
  readonly keys: RedisKeys
  /** Commands that change nothing; sent together where they are asked for together. */
  readonly reads: RedisClient
  /** Fresh notifications come here, while its `status` is `ready` and the channel is subscribed. */
  readonly subscriber: Redis
  /**
   * Runs the batch in one atomic step. Resolves only when what it wrote is as safe as the durability settings ask.
   *
   * @returns 0 if it was done, else the number of the guard that did not hold
   */
  commit (batch: SlotBatch): Promise<number>
  /**
   * Resolves when all that was written so far in the slot of this key is as safe as `commit` makes it. For whoever answers "that is done
   * already" from what he has read: the commit that did it may have failed for want of a replica.
   */
  settle (key: string): Promise<void>
  /** The same for what a power cut may take: counters, leases. */
  commitLoosely (batch: SlotBatch): Promise<number>
  /** Runs an operation; whatever Redis or the connection throws becomes `GW_STORAGE_UNAVAILABLE`, never an empty answer (C-35). */
  guarded<Result> (operation: () => Promise<Result>): Promise<Result>
  close (): Promise<void>
}

export function createRedisConnection (clients: RedisClients, prefix: string, durability: Durability): RedisConnection {
  const { reads, writes, subscriber } = clients

  const guarded: RedisConnection['guarded'] = async (operation) => {
    try {
      return await operation()
    } catch (cause) {
      throw isFault(cause) ? cause : new faults.StorageUnavailable({ cause: withoutCommand(cause) })
    }
  }

  const { replicas, waitForDisk, timeoutMs } = durability
  const isAwaited = waitForDisk || replicas > 0

  /**
   * Runs a write and waits until it is safe, in one pipeline, since Redis waits for the writes of the same connection only.
   *
   * @returns `undefined` if the slot lies on another node than thought: then nothing was done
   */
  async function tryWrite (write: (pipeline: ChainableCommander) => void): Promise<unknown> {
    const pipeline = writes.pipeline()
    write(pipeline)
    if (waitForDisk) pipeline.call('WAITAOF', 1, replicas, timeoutMs)
    else if (replicas > 0) pipeline.wait(replicas, timeoutMs)
    const [done, waited] = await pipeline.exec() ?? []
    if (isElsewhere(done)) return undefined
    const result = resultOf(done)
    // What failed is the assurance, and so the answer must not be a success.
    if (isAwaited) assertReached(resultOf(waited), durability)
    return result
  }

  async function write (key: string, write: (pipeline: ChainableCommander) => void): Promise<unknown> {
    const done = await tryWrite(write)
    if (done !== undefined) return done
    // ioredis follows a MOVED for a single command, but not for a pipeline that waits: a harmless one shows it the way.
    await writes.exists(key)
    const again = await tryWrite(write)
    if (again === undefined) throw new Error('the slot of the write is on the move')
    return again
  }

  async function settle (key: string): Promise<void> {
    // Without replicas and WAITAOF the server syncs before it lets anybody read. Else something must be written, since Redis waits for the
    // connection's own last write; whatever stands before it in the stream of changes is then as safe.
    if (isAwaited) await write(key, (pipeline) => { pipeline.set(`${key}:settled`, '', 'PX', timeoutMs) })
  }

  async function commit (batch: SlotBatch): Promise<number> {
    const { keys, arguments: values } = batch
    const [key = ''] = keys
    const failed = await write(key, (pipeline) => { pipeline.eval(batchScript, keys.length, ...keys, ...values) }) as number
    // A guard that fails often says that the work is done already.
    if (failed !== 0) await settle(key)
    return failed
  }

  return {
    keys: createRedisKeys(prefix),
    reads,
    subscriber,
    guarded,
    commit: (batch) => guarded(() => commit(batch)),
    settle: (key) => guarded(() => settle(key)),
    commitLoosely: (batch) => guarded(async () => {
      const { keys } = batch
      return await reads.eval(batchScript, keys.length, ...keys, ...batch.arguments) as number
    }),
    async close () {
      await Promise.all([reads, writes, subscriber].map(async (client) => {
        await client.quit().catch(() => undefined)
        // Ends what `quit` leaves: the talk with the sentinels, an attempt to reconnect.
        client.disconnect()
      }))
    },
  }
}

function assertReached (reached: unknown, { replicas, waitForDisk }: Durability): void {
  const [synced, acknowledged] = waitForDisk ? reached as [number, number] : [1, reached as number]
  if (synced !== 1) throw new Error('the server did not sync the write in time')
  if (acknowledged < replicas) throw new Error(`${acknowledged} of ${replicas} replicas have the write`)
}

function resultOf (entry: [error: Error | null, result: unknown] | undefined): unknown {
  if (entry === undefined) throw new Error('the pipeline was not run')
  const [error, result] = entry
  if (error !== null) throw error
  return result
}

/** Said before anything is run, when the client's map of the cluster is older than a failover. */
function isElsewhere (entry: [error: Error | null, result: unknown] | undefined): boolean {
  return entry?.[0]?.message.startsWith('MOVED ') === true
}

function isFault (error: unknown): boolean {
  return codeOf(error)?.startsWith('GW_') === true
}
