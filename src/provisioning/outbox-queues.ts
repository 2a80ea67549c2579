import type { InstanceId } from '../directory/model.ts'
import type { OutboxEntry } from '../directory/outbox.ts'

/** What waits, by instance, so that the outbox need not be read again after each event. */
export class OutboxQueues {
  readonly #queues = new Map<InstanceId, OutboxEntry[]>()
  #newest = Number.NEGATIVE_INFINITY

  /**
   * Adds what is new. Entries that were known before are not looked at: the list may be older than what became of them.
   *
   * @param entries by sequence
   */
  take (entries: readonly OutboxEntry[]): void {
    for (const entry of entries) {
      if (entry.sequence <= this.#newest) continue
      const queue = this.#queues.get(entry.event.instanceId)
      if (queue === undefined) this.#queues.set(entry.event.instanceId, [entry])
      else queue.push(entry)
      this.#newest = entry.sequence
    }
  }

  head (instanceId: InstanceId): OutboxEntry | undefined {
    return this.#queues.get(instanceId)?.[0]
  }

  /** Of the heads that are due the least tried, then the oldest: what is new doesn't stand behind what has failed for days. */
  findDue (now: number, isFree: (entry: OutboxEntry) => boolean): OutboxEntry | undefined {
    let best: OutboxEntry | undefined
    for (const [head] of this.#queues.values()) {
      if (head === undefined || head.notBefore > now || !isFree(head)) continue
      if (best === undefined || isBefore(head, best)) best = head
    }
    return best
  }

  /** When the next head is due, epoch ms. */
  nextAt (isFree: (entry: OutboxEntry) => boolean): number | undefined {
    let next: number | undefined
    for (const [head] of this.#queues.values()) {
      if (head !== undefined && isFree(head) && (next === undefined || head.notBefore < next)) next = head.notBefore
    }
    return next
  }

  /** @param entry the head of its instance */
  remove ({ event: { instanceId } }: OutboxEntry): void {
    const queue = this.#queues.get(instanceId)
    queue?.shift()
    if (queue?.length === 0) this.#queues.delete(instanceId)
  }

  /** @param entry the head of its instance */
  replace ({ event: { instanceId } }: OutboxEntry, by: OutboxEntry): void {
    const queue = this.#queues.get(instanceId)
    if (queue !== undefined) queue[0] = by
  }
}

function isBefore (a: OutboxEntry, b: OutboxEntry): boolean {
  return a.attempts === b.attempts ? a.sequence < b.sequence : a.attempts < b.attempts
}
