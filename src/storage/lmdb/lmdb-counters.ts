import type { Database, RootDatabase } from 'lmdb'
import type { PreparedBatch } from './prepared-batch.ts'

/** Numbers that outlive what they counted. Whoever changes one reads it in the same turn (`InTurn`). */
export interface Counters {
  /** 0 before the first change. */
  get (name: string): number
  set (batch: PreparedBatch, name: string, value: number): void
}

export function openCounters (environment: RootDatabase): Counters {
  const counters: Database<number, string> = environment.openDB('counters', { encoding: 'msgpack' })
  return {
    get: (name) => counters.get(name) ?? 0,
    set: (batch, name, value) => { batch.put(counters, name, value) },
  }
}
