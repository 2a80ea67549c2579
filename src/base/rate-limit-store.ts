/** Counts what somebody does in a window of time, for all gateways on one store. A fault rejects with `GW_STORAGE_UNAVAILABLE`. */
export interface RateLimitStore {
  /**
   * Counts one more in the window that `now` falls into, and says how many there are with it. Need not survive a power cut.
   *
   * @param key whom and what it is about; hashed by the store, so it may hold an address
   * @param windowMs windows begin at multiples of it since the epoch
   */
  count (key: string, now: number, windowMs: number): Promise<number>
  /** Forgets windows that are over; returns how many. */
  sweep (now: number): Promise<number>
}
