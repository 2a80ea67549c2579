import type { Schedule } from '../../src/base/schedule.ts'
import type { ManualClock } from './manual-clock.ts'

interface Task { readonly at: number, readonly run: () => void }

/** Timers that go off when the test turns the clock by them. */
export class ManualSchedule {
  readonly #clock: ManualClock
  readonly #tasks = new Set<Task>()

  constructor (clock: ManualClock) {
    this.#clock = clock
  }

  readonly schedule: Schedule = (milliseconds, run) => {
    const task = { at: this.#clock.now() + milliseconds, run }
    this.#tasks.add(task)
    return () => { this.#tasks.delete(task) }
  }

  /** When the next timer goes off, in ms from now; `undefined` if none is set. */
  get next (): number | undefined {
    const times = [...this.#tasks].map(({ at }) => at)
    return times.length === 0 ? undefined : Math.min(...times) - this.#clock.now()
  }

  /** Turns the clock; what falls due on the way runs at its own time. */
  advance (milliseconds: number): void {
    const end = this.#clock.now() + milliseconds
    for (let task = this.#first(end); task !== undefined; task = this.#first(end)) {
      this.#clock.set(Math.max(task.at, this.#clock.now()))
      this.#tasks.delete(task)
      task.run()
    }
    this.#clock.set(end)
  }

  #first (end: number): Task | undefined {
    return [...this.#tasks].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  }
}
