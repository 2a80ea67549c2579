import { sha256 } from '../base/digest.ts'
import { isEnded } from './contract.ts'
import type { Instance, InstanceEvent, InstanceEventType, InstanceOrder, OrderKey, ProvisioningReport } from './instance.ts'
import { newer } from './merge-row.ts'
import type { InstancePush } from './push-message.ts'
import type { PushEffect, RowReader, RowWrite } from './rows.ts'

type Change<Kind extends InstancePush['change']['kind']> = Extract<InstancePush['change'], { kind: Kind }>

/**
 * What happens to a purchase. Each part of the row stands for itself (the status, the orders, the release) and keeps the version that
 * it came with, so messages in another order leave the same row; an order counts from its first message on (sync.md §4.3: no second
 * extension by a retry).
 */
export function applyInstance (push: InstancePush, rows: RowReader): PushEffect {
  const { change } = push
  if (change.kind === 'create') return create(push, change, rows)
  const current = rows.instance(push.realm, push.instanceId)
  if (current === undefined) return { kind: 'instance-unknown' }
  switch (change.kind) {
    case 'renew': return takeOrder(push, current, change.scene, change)
    case 'upgrade': return takeOrder(push, current, 'upgrade', change)
    case 'status': return setStatus(push, current, change)
    case 'release': return release(push, current)
    case 'provision': return provision(push, current, change.report, rows)
    case 'tell': return becomes(push, current, { ...current, isTold: true })
    case 'purchase': return becomes(push, current, { ...current, purchase: change.purchase })
  }
}

const orderName = (scene: string, { orderId, orderLineId }: OrderKey): string => JSON.stringify([scene, orderId, orderLineId])

function create (push: InstancePush, change: Change<'create'>, rows: RowReader): PushEffect {
  const known = rows.order(push.realm, change.order)
  const current = known === undefined ? undefined : rows.instance(push.realm, known)
  const { order, businessId, productId, expiresAt, buyer, provisioning, frontEndUrl, spareInstanceId } = change
  if (current !== undefined) return createAgain(push, current, present({ productId, expiresAt }))
  const instanceId = rows.instance(push.realm, push.instanceId) === undefined ? push.instanceId : spareInstanceId
  const first: InstanceOrder = { version: push.version, scene: 'create', ...present({ productId, expiresAt }) }
  const row: Instance = {
    instanceId,
    order,
    businessId,
    version: push.version,
    isTold: false,
    provisioning,
    access: { frontEndUrl },
    usage: [],
    status: { value: 'normal', version: '' },
    expired: '',
    orders: { [orderName('create', order)]: first },
    released: '',
    lastLoss: '',
    ...present({ buyer }),
  }
  const effect = becomes({ ...push, instanceId }, undefined, row, ['instance.created', order, present({ productId, expiresAt })])
  return { ...effect, writes: [...effect.writes, { kind: 'order', order, instanceId }] }
}

/** What was made stays; only the order counts from its first message on, whichever of them comes first. */
function createAgain (push: InstancePush, current: Instance, bought: Pick<InstanceOrder, 'productId' | 'expiresAt'>): PushEffect {
  if (push.version >= current.version) return becomes(push, current, revived(push, current))
  const first: InstanceOrder = { version: push.version, scene: 'create', ...bought }
  const orders = { ...current.orders, [orderName('create', current.order)]: first }
  return becomes(push, current, revived(push, { ...current, version: push.version, orders }))
}

function takeOrder (push: InstancePush, current: Instance, scene: string, change: Change<'renew'> | Change<'upgrade'>): PushEffect {
  if (isOver(push, current)) return { kind: 'instance-unknown' }
  const name = orderName(scene, change.order)
  const known = current.orders[name]
  const { productId } = change
  const expiresAt = change.kind === 'renew' ? change.expiresAt : undefined
  const version = known !== undefined && known.version < push.version ? known.version : push.version
  const order: InstanceOrder = known?.version === version ? known : { version, scene, ...present({ productId, expiresAt }) }
  const row = revived(push, { ...current, orders: { ...current.orders, [name]: order } })
  if (known !== undefined) return becomes(push, current, row)
  const details = change.kind === 'renew' ? present({ scene, productId, expiresAt }) : { ...change.details, ...present({ productId }) }
  return becomes(push, current, row, [change.kind === 'renew' ? 'instance.renewed' : 'instance.upgraded', change.order, details])
}

const statusEvents = { normal: 'instance.unfrozen', frozen: 'instance.frozen' } as const

function setStatus (push: InstancePush, current: Instance, { status }: Change<'status'>): PushEffect {
  if (isOver(push, current)) return { kind: 'instance-unknown' }
  if (status === 'expired') return expire(push, current)
  const lastLoss = newer(current.lastLoss, status === 'normal' ? '' : push.version)
  if (push.version < current.status.version) return becomes(push, current, { ...current, lastLoss })
  const row = revived(push, { ...current, status: { value: status, version: push.version }, lastLoss })
  return status === current.status.value ? becomes(push, current, row) : becomes(push, current, row, [statusEvents[status]])
}

/** No loss by itself: as with the clock, the days of grace begin, and a renewal in time ends no session. */
function expire (push: InstancePush, current: Instance): PushEffect {
  const row = revived(push, { ...current, expired: newer(current.expired, push.version) })
  return isEnded(current) || !isEnded(row) ? becomes(push, current, row) : becomes(push, current, row, ['instance.expired'])
}

function release (push: InstancePush, current: Instance): PushEffect {
  const row = { ...current, released: newer(current.released, push.version) }
  if (current.released !== '') return becomes(push, current, row)
  const effect = becomes(push, current, row, ['instance.released'])
  if (push.realm === 'test') return effect
  const planned = { scope: { kind: 'instance', instanceId: current.instanceId }, version: push.version } as const
  return { ...effect, writes: [...effect.writes, { kind: 'erasure', planned }] }
}

function provision (push: InstancePush, current: Instance, report: ProvisioningReport, rows: RowReader): PushEffect {
  if (report.kind === 'refused') {
    // What stands ready is not un-made by a "no" to a later event.
    return becomes(push, current, current.provisioning === 'pending' ? { ...current, provisioning: 'refused', refusal: report.reason } : current)
  }
  const { frontEndUrl, adminUrl, memo, usage } = report
  const row: Instance = {
    ...current,
    provisioning: 'ready',
    access: { ...current.access, ...present({ frontEndUrl, adminUrl, memo }) },
    ...present({ usage }),
  }
  const wished = report.instanceId
  const isFree = wished !== undefined && !current.isTold && rows.instance(push.realm, wished) === undefined
  if (!isFree) return becomes(push, current, row)
  const effect = becomes(push, undefined, { ...row, instanceId: wished })
  const moved: RowWrite[] = [{ kind: 'instance-gone', instanceId: current.instanceId }, { kind: 'order', order: current.order, instanceId: wished }]
  return { ...effect, writes: [...effect.writes, ...moved] }
}

/** Something new for an instance that was released before. What is older than the release is only late. */
function isOver (push: InstancePush, current: Instance): boolean {
  return push.realm === 'production' && current.released !== '' && push.version > current.released
}

/** The saved test cases run every day in any order: nothing of the test realm may end for good (sync.md §5, "Saved cases"). */
function revived (push: InstancePush, row: Instance): Instance {
  return push.realm === 'test' ? { ...row, released: '' } : row
}

type Happening = readonly [type: InstanceEventType, order?: OrderKey, details?: InstanceEvent['details']]
type Changed = Extract<PushEffect, { kind: 'changed' }>

function becomes (push: InstancePush, current: Instance | undefined, row: Instance, happening?: Happening): Changed {
  const isAnnounced = happening !== undefined && push.realm === 'production' && (current === undefined || current.released === '')
  return { kind: 'changed', writes: [{ kind: 'instance', row }], events: isAnnounced ? [eventOf(push, happening)] : [], instance: row }
}

function eventOf ({ realm, instanceId, version }: InstancePush, [type, order, details = {}]: Happening): InstanceEvent {
  // Made from what happened, so that the same event has the same name also when the pushes are replayed.
  const id = `evt_${sha256(JSON.stringify([realm, instanceId, type, version, order?.orderId, order?.orderLineId])).slice(0, 32)}`
  return { id, type, instanceId, occurredAt: version, details, ...present({ order }) }
}

function present<Members extends object> (members: Members): { [Name in keyof Members]?: NonNullable<Members[Name]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as ReturnType<typeof present<Members>>
}
