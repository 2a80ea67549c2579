import type { LeaseStore } from '../../src/base/lease-store.ts'

/** Leases in a map. */
export class MemoryLeases implements LeaseStore {
  readonly held = new Map<string, { holder: string, until: number }>()

  async acquire (name: string, holder: string, now: number, milliseconds: number): Promise<boolean> {
    const held = this.held.get(name)
    if (held !== undefined && held.holder !== holder && held.until > now) return false
    this.held.set(name, { holder, until: now + milliseconds })
    return true
  }

  async release (name: string, holder: string): Promise<void> {
    if (this.held.get(name)?.holder === holder) this.held.delete(name)
  }

  async sweep (now: number): Promise<number> {
    const over = [...this.held].filter(([, { until }]) => until <= now)
    for (const [name] of over) this.held.delete(name)
    return over.length
  }
}
