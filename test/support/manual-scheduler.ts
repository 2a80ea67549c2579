import type { Scheduler } from '../../src/simulator/scheduler.ts'
import type { ManualClock } from './manual-clock.ts'

/** What happens later happens when the test turns the clock, each task at its own time and finished before the next. */
export class ManualScheduler implements Scheduler {
  readonly #clock: ManualClock
  #tasks: { readonly at: number, readonly task: () => void | Promise<void> }[] = []

  constructor (clock: ManualClock) {
    this.#clock = clock
  }

  after (delayMilliseconds: number, task: () => void | Promise<void>): void {
    this.#tasks.push({ at: this.#clock.now() + delayMilliseconds, task })
  }

  /** How many tasks wait. */
  get size (): number {
    return this.#tasks.length
  }

  async advance (milliseconds: number): Promise<void> {
    const end = this.#clock.now() + milliseconds
    for (;;) {
      const [next] = this.#tasks.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#tasks = this.#tasks.filter((task) => task !== next)
      this.#clock.set(Math.max(next.at, this.#clock.now()))
      await next.task()
    }
    this.#clock.set(end)
  }

  close (): void {
    this.#tasks = []
  }
}
