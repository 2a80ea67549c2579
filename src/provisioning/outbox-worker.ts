import type { LeaseStore } from '../base/lease-store.ts'
import { createRandomId } from '../base/random-id.ts'
import type { InstanceId } from '../directory/model.ts'
import type { Outbox, OutboxEntry } from '../directory/outbox.ts'
import { deliverEvent, retryAt, type DeliveryParts } from './deliver-event.ts'
import { OutboxQueues } from './outbox-queues.ts'
import type { Schedule } from '../base/schedule.ts'

export interface OutboxWorkerOptions extends Omit<DeliveryParts, 'random'> {
  readonly outbox: Outbox
  /** Of several gateways on one store one at a time tells an instance's events. */
  readonly leases: Pick<LeaseStore, 'acquire' | 'release'>
  readonly schedule: Schedule
  /** As in `DeliveryParts`; `Math.random` if absent. */
  readonly random?: () => number
}

/** How many instances' events are told at the same time. */
const parallelDeliveries = 4
const rereadMilliseconds = 5_000
/** How soon a gateway takes up what another one has left behind. */
const lookMilliseconds = 30_000
/** Longer than the order query and the hook may take together, so that nobody else begins meanwhile. */
const leaseMilliseconds = 120_000

/**
 * Tells the seller's system of the events in the outbox: each at least once, those of one instance one after the other. A head that
 * is not taken blocks its own instance only.
 */
export class OutboxWorker {
  readonly #options: OutboxWorkerOptions & DeliveryParts
  readonly #queues = new OutboxQueues()
  readonly #holder = createRandomId()
  readonly #underWay = new Map<InstanceId, Promise<void>>()
  readonly #waiting = new Map<InstanceId, Set<() => void>>()
  #reading: Promise<void> = Promise.resolve()
  #nextReading: Promise<void> | undefined
  #cancelTimer = (): void => {}
  #cancelReading = (): void => {}
  #isClosed = false

  constructor (options: OutboxWorkerOptions) {
    this.#options = { random: Math.random, ...options }
  }

  /** Takes up what an earlier process has left. */
  start (): void {
    void this.#read()
  }

  /**
   * To be called after each commit that may have brought an event; nothing else makes the worker look.
   *
   * @returns when the oldest event of the instance was answered, cannot be told now, or patience is over. Never rejects.
   */
  async wake (instanceId: InstanceId, patienceMilliseconds = 1_000): Promise<void> {
    let stopWaiting = (): void => {}
    const patience = new Promise<void>((resolve) => { stopWaiting = this.#options.schedule(patienceMilliseconds, resolve) })
    await Promise.race([patience, this.#read().then(() => this.#untilAnswered(instanceId))])
    stopWaiting()
  }

  /** Starts nothing more and waits for the calls under way, which are bounded. What they leave is told after the next start. */
  async close (): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    this.#cancelReading()
    await this.#reading
    await Promise.all(this.#underWay.values())
    for (const instanceId of this.#waiting.keys()) this.#letGo(instanceId)
  }

  /** One reading at a time; who asks during one gets the next, since the list may have been taken before his commit. */
  #read (): Promise<void> {
    this.#nextReading ??= this.#reading.then(async () => {
      this.#nextReading = undefined
      await this.#readOutbox()
    })
    this.#reading = this.#nextReading
    return this.#nextReading
  }

  async #readOutbox (): Promise<void> {
    const { outbox, log, schedule } = this.#options
    if (this.#isClosed) return
    let nextMilliseconds = lookMilliseconds
    try {
      this.#queues.take(await outbox.list())
    } catch (err) {
      log('error', { event: 'provisioning.outbox-unreadable', err }, 'the outbox could not be read')
      nextMilliseconds = rereadMilliseconds
    }
    this.#cancelReading()
    if (!this.#isClosed) this.#cancelReading = schedule(nextMilliseconds, () => { void this.#read() })
    this.#proceed()
  }

  /** Starts what is due and sets the timer for what is not. */
  #proceed (): void {
    const { clock, schedule } = this.#options
    this.#cancelTimer()
    if (this.#isClosed) return
    const isFree = (entry: OutboxEntry): boolean => !this.#underWay.has(entry.event.instanceId)
    while (this.#underWay.size < parallelDeliveries) {
      const entry = this.#queues.findDue(clock.now(), isFree)
      if (entry === undefined) break
      this.#start(entry)
    }
    // With all hands full the next one that gets free looks again.
    if (this.#underWay.size === parallelDeliveries) return
    const nextAt = this.#queues.nextAt(isFree)
    if (nextAt !== undefined) this.#cancelTimer = schedule(Math.max(0, nextAt - clock.now()), () => { this.#proceed() })
  }

  #start (entry: OutboxEntry): void {
    const { instanceId } = entry.event
    this.#underWay.set(instanceId, this.#deliver(entry).then(() => {
      this.#underWay.delete(instanceId)
      this.#letGo(instanceId)
      this.#proceed()
    }))
  }

  async #deliver (entry: OutboxEntry): Promise<void> {
    const { leases, clock, log } = this.#options
    const { event } = entry
    const lease = `events:${event.instanceId}`
    try {
      if (await leases.acquire(lease, this.#holder, clock.now(), leaseMilliseconds)) {
        // Not given back, it runs out by itself.
        await this.#tell(entry).finally(() => leases.release(lease, this.#holder).catch(() => {}))
      } else {
        this.#queues.replace(entry, { ...entry, notBefore: clock.now() + rereadMilliseconds })
      }
    } catch (err) {
      // The store is in trouble: the outbox still holds the event as it was, and this process waits as after any failure.
      const attempts = entry.attempts + 1
      this.#queues.replace(entry, { ...entry, attempts, notBefore: retryAt(this.#options, attempts) })
      log('error', { event: 'provisioning.not-kept', webhookId: event.id, type: event.type, instanceId: event.instanceId, err }, 'what became of an event could not be kept')
    }
  }

  /** Under the lease, so what another gateway has made of the entry is in the store. */
  async #tell (known: OutboxEntry): Promise<void> {
    const { outbox, clock } = this.#options
    const { sequence } = known
    const stored = await outbox.find(sequence)
    if (stored === undefined) {
      this.#queues.remove(known)
    } else if (stored.notBefore > clock.now()) {
      this.#queues.replace(known, stored)
    } else {
      const entry = { ...stored, attempts: Math.max(stored.attempts, known.attempts) }
      const delivery = await deliverEvent(this.#options, entry)
      if (delivery.kind === 'heard') {
        await outbox.remove(sequence)
        this.#queues.remove(entry)
      } else {
        const { attempts, notBefore } = delivery
        await outbox.postpone(sequence, attempts, notBefore)
        this.#queues.replace(entry, { ...entry, attempts, notBefore })
      }
    }
  }

  #untilAnswered (instanceId: InstanceId): Promise<void> {
    const head = this.#queues.head(instanceId)
    const isComing = head !== undefined && (this.#underWay.has(instanceId) || head.notBefore <= this.#options.clock.now())
    if (!isComing || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(instanceId) ?? new Set()
      this.#waiting.set(instanceId, waiting.add(resolve))
    })
  }

  #letGo (instanceId: InstanceId): void {
    for (const resolve of this.#waiting.get(instanceId) ?? []) resolve()
    this.#waiting.delete(instanceId)
  }
}
