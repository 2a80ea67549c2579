import type { Clock } from '../../src/base/clock.ts'

/** A clock that stands still until the test turns it. */
export class ManualClock implements Clock {
  #now: number

  constructor (now = Date.UTC(2025, 0, 1)) {
    this.#now = now
  }

  now (): number {
    return this.#now
  }

  advance (milliseconds: number): void {
    this.#now += milliseconds
  }

  set (now: number): void {
    this.#now = now
  }
}
