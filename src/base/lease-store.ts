/**
 * The right to do something alone among all gateways on one store, for a limited time. It can be lost while it is held (a process that
 * stood still for longer than its time), so what is done under it must be safe by itself: a compare-and-set, or work that may be done
 * twice. A fault rejects with `GW_STORAGE_UNAVAILABLE`.
 */
export interface LeaseStore {
  /**
   * Takes the lease if nobody holds it or its time is over; the holder itself gets it again, for longer. Gateways on one store need
   * clocks that agree to well within `milliseconds`.
   *
   * @param holder names who takes it: random for each process or each attempt
   * @param now epoch ms
   */
  acquire (name: string, holder: string, now: number, milliseconds: number): Promise<boolean>
  /** Gives it back early. Nothing happens if it is somebody else's by now. */
  release (name: string, holder: string): Promise<void>
  /** Forgets leases whose time is over; returns how many. */
  sweep (now: number): Promise<number>
}
