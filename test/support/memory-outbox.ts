import type { InstanceEvent } from '../../src/directory/instance.ts'
import type { Outbox, OutboxEntry } from '../../src/directory/outbox.ts'

/** The outbox in an array: what is in it outlives a worker, as the stored one outlives a process. */
export class MemoryOutbox implements Outbox {
  entries: OutboxEntry[] = []
  /** Set to make the next calls fail. */
  fault: Error | undefined
  #sequence = 0

  add (event: InstanceEvent): void {
    this.entries.push({ sequence: ++this.#sequence, event, attempts: 0, notBefore: 0 })
  }

  async list (): Promise<OutboxEntry[]> {
    this.#fail()
    return [...this.entries]
  }

  async find (sequence: number): Promise<OutboxEntry | undefined> {
    this.#fail()
    return this.entries.find((entry) => entry.sequence === sequence)
  }

  async postpone (sequence: number, attempts: number, notBefore: number): Promise<void> {
    this.#fail()
    this.entries = this.entries.map((entry) => entry.sequence === sequence ? { ...entry, attempts, notBefore } : entry)
  }

  async remove (sequence: number): Promise<void> {
    this.#fail()
    this.entries = this.entries.filter((entry) => entry.sequence !== sequence)
  }

  #fail (): void {
    if (this.fault !== undefined) throw this.fault
  }
}
