/** The only source of time. Services take a `Clock`, so that tests turn the hands themselves. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }
