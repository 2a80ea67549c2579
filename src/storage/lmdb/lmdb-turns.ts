import { setTimeout as pause } from 'node:timers/promises'
import type { Database, RootDatabase } from 'lmdb'
import type { Clock } from '../../base/clock.ts'
import { createRandomId } from '../../base/random-id.ts'
import { createInTurn } from '../in-turn.ts'
import { guarded } from './lmdb-environment.ts'
import type { PreparedBatch } from './prepared-batch.ts'

/** Hands a batch to LMDB in one transaction. Rejects, and nothing is written, if another process has written in between. */
export type HandOver = (batch: PreparedBatch) => Promise<void>

/**
 * Runs an operation that writes by what it has read, as if nobody else wrote meanwhile: not in this process, and not in another one on the
 * same folder. Where somebody did, it runs again from its beginning, so it may do nothing lasting but by `handOver`.
 */
export type TakeTurn = <Result>(operation: Operation<Result>, options?: { readonly exclusive?: boolean }) => Promise<Result>

type Operation<Result> = (handOver: HandOver) => Promise<Result>

/** Who keeps others out until when; nobody if `until` is over. */
interface StoredTurn { readonly holder: string, readonly until: number }

interface Turn { version: number | null, isOvertaken: boolean }

/** A process that was killed while it kept others out holds them up for so long. */
const keepOutMs = 10_000
const extendMs = 2_000
const lookAgainMs = 5

/**
 * Turns across processes. A process first does its work and learns by the version of a row, inside the transaction, whether it was alone,
 * which costs nothing where it always is; overtaken once (a push of a million accounts is prepared for seconds), it keeps the others out
 * before it begins again. Whoever was kept for dead and comes back finds another version: it writes nothing.
 */
export function openTurns (environment: RootDatabase, clock: Clock): (name: string) => TakeTurn {
  const turns: Database<StoredTurn, string> = environment.openDB('turns', { encoding: 'msgpack', useVersions: true })
  const holder = createRandomId()
  const free: StoredTurn = { holder: '', until: 0 }
  const kept = (): StoredTurn => ({ holder, until: clock.now() + keepOutMs })
  /** lmdb's type of a condition has no `null`, which is "no such row". */
  const put = (name: string, row: StoredTurn, version: number, at: number | null): Promise<boolean> =>
    turns.put(name, row, version, at as number)

  /** The version at which nobody keeps us out. */
  async function untilFree (name: string): Promise<number | null> {
    for (;;) {
      const entry = await guarded(environment, () => turns.getEntry(name))
      if (entry === undefined) return null
      if (entry.value.holder === holder || entry.value.until <= clock.now()) return entry.version ?? null
      await pause(lookAgainMs)
    }
  }

  async function keepOthersOut (name: string): Promise<number> {
    for (;;) {
      const version = await untilFree(name)
      const next = (version ?? 0) + 1
      if (await guarded(environment, () => put(name, kept(), next, version))) return next
    }
  }

  async function attempt<Result> (name: string, turn: Turn, isAlone: boolean, operation: Operation<Result>): Promise<Result | undefined> {
    const handOver: HandOver = async (batch) => {
      const { version } = turn
      const next = (version ?? 0) + 1
      const isHanded = await turns.ifVersion(name, version as number, () => {
        batch.write()
        void turns.put(name, isAlone ? kept() : free, next)
      })
      if (isHanded) {
        turn.version = next
      } else {
        turn.isOvertaken = true
        throw new Error('another process has written in between')
      }
    }
    try {
      return await operation(handOver)
    } catch (error) {
      if (!turn.isOvertaken) throw error
      return undefined
    }
  }

  /** As `attempt`, with the others kept out from before its beginning until after its end. */
  async function attemptAlone<Result> (name: string, turn: Turn, operation: Operation<Result>): Promise<Result | undefined> {
    turn.version = await keepOthersOut(name)
    const timer = setInterval(() => {
      const { version } = turn
      if (version !== null) guarded(environment, () => put(name, kept(), version, version)).catch(() => {})
    }, extendMs)
    try {
      return await attempt(name, turn, true, operation)
    } finally {
      clearInterval(timer)
      // Not given back, it runs out by itself.
      await guarded(environment, () => put(name, free, (turn.version ?? 0) + 1, turn.version)).catch(() => {})
    }
  }

  return (name) => {
    const inTurn = createInTurn()
    return (operation, { exclusive = false } = {}) => inTurn(async () => {
      for (let isAlone = exclusive; ; isAlone = true) {
        const turn: Turn = { version: null, isOvertaken: false }
        if (!isAlone) turn.version = await untilFree(name)
        const result = isAlone ? await attemptAlone(name, turn, operation) : await attempt(name, turn, false, operation)
        if (!turn.isOvertaken) return result as Awaited<ReturnType<typeof operation>>
      }
    })
  }
}
