import { setImmediate } from 'node:timers/promises'
import type { JsonCut } from './json-cut.ts'
import { JsonCutter, Unreadable } from './json-cutter.ts'

/**
 * Cuts a JSON text into its top-level members and rewrites the tokens as Jackson prints them (sync.md §3.5).
 *
 * Strict: what RFC 8259 doesn't allow is refused, also an escaped lone surrogate, which has no UTF-8 form and so can't be signed
 * (RFC 7493 §2.1). One pass, no recursion; stretches that need no rewriting are copied whole.
 *
 * @param nestedNames the order of the members of nested objects; Jackson keeps them as received
 */
export function cutJson (text: string, nestedNames: 'as-received' | 'sorted' = 'as-received'): JsonCut {
  try {
    const cutter = new JsonCutter(text, nestedNames === 'sorted')
    cutter.proceed(Infinity)
    return cutter.result()
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'unreadable', because: error.because }
    throw error
  }
}

/** About a millisecond's work: in between others have their turn. */
const stepsAtOnce = 4_000

/** The same with everybody else's turns in between: a body of 16 MiB takes more than a second, and anybody may send one. */
export async function cutJsonInTurns (text: string, nestedNames: 'as-received' | 'sorted' = 'as-received'): Promise<JsonCut> {
  const cutter = new JsonCutter(text, nestedNames === 'sorted')
  try {
    while (!cutter.proceed(stepsAtOnce)) await setImmediate()
    return cutter.result()
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'unreadable', because: error.because }
    throw error
  }
}
