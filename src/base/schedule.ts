/** Runs something once, later; what it returns calls it off. Handed in, so that tests turn the hands themselves. */
export type Schedule = (milliseconds: number, run: () => void) => () => void

/** A timer that keeps no process alive: whoever sets one has nothing to lose if the process ends before it goes off. */
export const scheduleByTimer: Schedule = (milliseconds, run) => {
  const timer = setTimeout(run, milliseconds).unref()
  return () => { clearTimeout(timer) }
}
