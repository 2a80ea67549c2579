/** What happens later. Beside the clock, so that tests turn both by hand. */
export interface Scheduler {
  /** Runs a task once, that many milliseconds from now. */
  after (delayMilliseconds: number, task: () => void | Promise<void>): void
  /** Forgets what has not run yet. */
  close (): void
}

/** On the machine's own timers, which keep no process alive. */
export function createTimerScheduler (): Scheduler {
  const timers = new Set<NodeJS.Timeout>()
  return {
    after (delayMilliseconds, task) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        void task()
      }, delayMilliseconds)
      timer.unref()
      timers.add(timer)
    },
    close () {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}

export function waitFor (scheduler: Scheduler, milliseconds: number): Promise<void> {
  return new Promise((resolve) => { scheduler.after(milliseconds, resolve) })
}
