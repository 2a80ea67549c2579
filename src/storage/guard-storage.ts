import { faults } from '../base/coded-errors.ts'
import type { Session } from '../session/session.ts'
import type { MoveState } from './move-state.ts'
import type { Storage } from './storage.ts'

type GuardedPort = 'directory' | 'outbox' | 'pushLog' | 'erasures' | 'keyUsage' | 'sessions' | 'flows' | 'signingKeys'

/**
 * Which operations write. Leases and rate limits are not moved, so they stay as they are: of use to whoever still reads. As a table of all,
 * so that the compiler asks about every one that comes later.
 */
const writes: { readonly [Port in GuardedPort]: Readonly<Record<keyof Storage[Port], boolean>> } = {
  directory: {
    commit: true,
    keepAnswer: true,
    sweep: true,
    findAnswer: false,
    findInstances: false,
    findInstanceOfOrder: false,
    listDepartments: false,
    export: false,
    viewAccess: false,
    viewTenant: false,
    revisionOf: false,
  },
  outbox: { postpone: true, remove: true, list: false, find: false },
  pushLog: { append: true, sweep: true, list: false, find: false, range: false },
  erasures: { erase: true, keepReceipt: true, listDue: false, listUnsigned: false, listReceipts: false },
  keyUsage: { see: true, use: true, list: false },
  sessions: { create: true, replace: true, end: true, sweep: true, find: false, list: false },
  flows: {
    saveFlow: true,
    consumeFlow: true,
    saveConfirmation: true,
    consumeConfirmation: true,
    claimCode: true,
    sweep: true,
    findFlow: false,
    isClaimed: false,
    findConfirmation: false,
  },
  signingKeys: { save: true, replace: true, list: false },
}

/** At once where the store is at hand: nothing may come between the look and what follows. */
type Look = () => MoveState | Promise<MoveState>
type Operation = (...values: never[]) => Promise<unknown>

/**
 * The storage, where nothing that was written counts once it is sealed off (`moved`): a write is refused before it begins, and also
 * after it was done if the store was sealed off meanwhile. So whatever was acknowledged was there before, and the copy made after has
 * it; what was done and refused is done again by whoever repeats it.
 *
 * @param look how far a copy has gone; may be `moveLookMs` old
 */
export function guardStorage (storage: Storage, look: Look): Storage {
  const running = new Set<Promise<unknown>>()

  const refuseMoved = (state: MoveState): void => {
    if (state === 'moved') throw new faults.StorageMoved()
  }

  const run = async (operation: () => Promise<unknown>): Promise<unknown> => {
    const before = look()
    refuseMoved(before instanceof Promise ? await before : before)
    const result = await operation()
    refuseMoved(await look())
    return result
  }

  const tracked = (operation: () => Promise<unknown>): Promise<unknown> => {
    const outcome = run(operation).finally(() => { running.delete(outcome) })
    running.add(outcome)
    return outcome
  }

  const guardPort = <Port extends GuardedPort>(name: Port): Storage[Port] => {
    const table: Readonly<Record<string, boolean>> = writes[name]
    const guarded = Object.entries(storage[name] as unknown as Record<string, Operation>).map(([operation, perform]) =>
      [operation, table[operation] === true ? (...values: never[]) => tracked(() => perform(...values)) : perform])
    return Object.fromEntries(guarded) as Storage[Port]
  }

  const sessions = guardPort('sessions')
  return {
    ...storage,
    directory: guardPort('directory'),
    outbox: guardPort('outbox'),
    pushLog: guardPort('pushLog'),
    erasures: guardPort('erasures'),
    keyUsage: guardPort('keyUsage'),
    flows: guardPort('flows'),
    signingKeys: guardPort('signingKeys'),
    sessions: {
      ...sessions,
      async replace (session) {
        if (beginsRenewal(session) && await look() !== undefined) throw new faults.StorageMoved()
        return sessions.replace(session)
      },
    },
    async close () {
      await Promise.allSettled(running)
      await storage.close()
    },
  }
}

/** A row that says that a renewal is under way: written when one begins. */
function beginsRenewal ({ renewalAttempts }: Session): boolean {
  return renewalAttempts?.underWay !== undefined
}
