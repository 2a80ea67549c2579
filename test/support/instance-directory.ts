import { applyInstance } from '../../src/directory/apply-instance.ts'
import type { CommitOutcome, DirectoryStore } from '../../src/directory/directory-store.ts'
import type { Instance, OrderKey } from '../../src/directory/instance.ts'
import type { InstanceId, PushVersion, Realm } from '../../src/directory/model.ts'
import type { InstanceChange, PushMessage } from '../../src/directory/push-message.ts'
import { versionAt } from '../../src/directory/push-version.ts'
import type { ManualClock } from './manual-clock.ts'
import { MemoryOutbox } from './memory-outbox.ts'

/** The part of the directory that holds purchases: the real rules over maps, events go to the outbox. */
export class InstanceDirectory implements Pick<DirectoryStore, 'commit' | 'findInstances' | 'findInstanceOfOrder'> {
  readonly outbox = new MemoryOutbox()
  readonly instances = new Map<string, Instance>()
  readonly committed: InstanceChange[] = []
  /** Set to make the next commits fail. */
  fault: Error | undefined
  readonly #orders = new Map<string, InstanceId>()
  readonly #clock: ManualClock

  constructor (clock: ManualClock) {
    this.#clock = clock
  }

  async commit (push: PushMessage): Promise<CommitOutcome> {
    if (this.fault !== undefined) throw this.fault
    if (push.kind !== 'instance') throw new Error(`no place for ${push.kind}`)
    const effect = applyInstance(push, {
      tenant: nothing,
      binding: nothing,
      account: nothing,
      department: nothing,
      departmentList: nothing,
      instance: (_realm, instanceId) => this.instances.get(instanceId),
      order: (_realm, order) => this.#orders.get(JSON.stringify([order.orderId, order.orderLineId])),
    })
    if (effect.kind !== 'changed') return effect
    for (const write of effect.writes) {
      if (write.kind === 'instance') this.instances.set(write.row.instanceId, write.row)
      if (write.kind === 'instance-gone') this.instances.delete(write.instanceId)
      if (write.kind === 'order') this.#orders.set(JSON.stringify([write.order.orderId, write.order.orderLineId]), write.instanceId)
    }
    for (const event of effect.events) this.outbox.add(event)
    this.committed.push(push.change)
    return { kind: 'committed', ...(effect.instance === undefined ? {} : { instance: effect.instance }) }
  }

  async findInstances (_realm: Realm, instanceIds: readonly InstanceId[]): Promise<Instance[]> {
    return instanceIds.flatMap((id) => this.instances.get(id) ?? [])
  }

  async findInstanceOfOrder (_realm: Realm, { orderId, orderLineId }: OrderKey): Promise<Instance | undefined> {
    const instanceId = this.#orders.get(JSON.stringify([orderId, orderLineId]))
    return instanceId === undefined ? undefined : this.instances.get(instanceId)
  }

  /** What the marketplace says, a millisecond after what it said before. */
  async push (instanceId: string, change: InstanceChange): Promise<void> {
    this.#clock.advance(1)
    const version: PushVersion = versionAt(this.#clock.now())
    await this.commit({ kind: 'instance', realm: 'production', version, instanceId: instanceId as InstanceId, change })
  }

  /** newInstance, with an order of the instance's name. */
  async create (instanceId: string, more: Partial<Pick<Extract<InstanceChange, { kind: 'create' }>, 'buyer' | 'provisioning'>> = {}): Promise<void> {
    await this.push(instanceId, {
      kind: 'create',
      spareInstanceId: `${instanceId}-spare` as InstanceId,
      order: { orderId: `CS-${instanceId}`, orderLineId: `CS-${instanceId}-000001` },
      businessId: instanceId,
      provisioning: 'pending',
      frontEndUrl: 'https://gate.example.com',
      ...more,
    })
  }
}

const nothing = (): undefined => undefined
