import fc from 'fast-check'
import t from 'tap'
import type { AccessView } from '../../src/directory/access-view.ts'
import { applyPush } from '../../src/directory/apply-push.ts'
import { contractPolicies, type ContractPolicy, type ContractRules } from '../../src/directory/contract.ts'
import { decideAccess, type AccessDecision } from '../../src/directory/decide-access.ts'
import type { Instance } from '../../src/directory/instance.ts'
import type { AppId, InstanceId, PushVersion, TenantId, UserName } from '../../src/directory/model.ts'
import type { InstancePush } from '../../src/directory/push-message.ts'
import type { RowReader } from '../../src/directory/rows.ts'
import {
  contractRules, createPush, dayMs, instancePush, readyPush, releasePush, renewPush, statusPush, versionOf,
} from '../support/instance-pushes.ts'

const start = Date.UTC(2026, 0, 1)
/** Paid until here, unless a test says otherwise. */
const end = start + 10 * dayMs
const hour = 3_600_000

/** The rows of the instances after these messages, by the directory's own rule. */
function instancesAfter (pushes: readonly InstancePush[]): Instance[] {
  const rows = new Map<string, Instance>()
  const orders = new Map<string, InstanceId>()
  const reader: Pick<RowReader, 'instance' | 'order'> = {
    instance: (_realm, instanceId) => rows.get(instanceId),
    order: (_realm, order) => orders.get(JSON.stringify(order)),
  }
  for (const push of pushes) {
    const effect = applyPush(push, reader as RowReader)
    for (const write of effect.kind === 'changed' ? effect.writes : []) {
      if (write.kind === 'instance') rows.set(write.row.instanceId, write.row)
      if (write.kind === 'order') orders.set(JSON.stringify(write.order), write.instanceId)
    }
  }
  return [...rows.values()]
}

/** A tenant bound to each of these instances, with one account that is granted in the `granted` ones. */
function viewOf (instances: readonly Instance[], bound: readonly string[] = ['one'], granted: readonly string[] = bound): AccessView {
  const row = (instanceId: string, at = start) =>
    ({ instanceId: instanceId as InstanceId, version: versionOf(at), isDeleted: false, lastLoss: '' }) as const
  return {
    tenantId: 'tenant' as TenantId,
    appId: 'app' as AppId,
    tenants: bound.map((id) => ({ ...row(id), name: 'Acme', tenantCode: 'acme', orderId: '', authorizationServer: 'https://acme.example' })),
    bindings: bound.map((id) => ({ ...row(id), clientId: 'client', clientSecret: undefined })),
    accounts: granted.map((id, index) => ({
      ...row(id, start + index), userName: 'lihua' as UserName, name: '李华', departmentCode: '', role: 'user', isEnabled: true, isAuthorised: true, details: {},
    })),
    instances,
  }
}

interface Asked { readonly now?: number, readonly rules?: Partial<ContractRules>, readonly knownLoss?: PushVersion | '' }

function decide (view: AccessView, { now = start + dayMs, rules = {}, knownLoss }: Asked = {}): AccessDecision {
  return decideAccess(view, { now, contract: { ...contractRules, ...rules }, ...(knownLoss === undefined ? {} : { knownLoss }) })
}

/** `full`, `read-only`, or the reason, with `+renew` if the way to renew is shown. */
function said (decision: AccessDecision): string {
  if (decision.kind === 'allow') return decision.principal.access
  return `${decision.reason}${decision.isRenewable === true ? '+renew' : ''}`
}

const bought = createPush('one', start, { expiresAt: end })
type Event = readonly [state: string, pushes: readonly InstancePush[], now: number]
const states: readonly Event[] = [
  ['active', [bought], end - 1],
  ['active', [createPush('one', start)], end + 900 * dayMs],
  ['active', [bought, statusPush('one', start + 1, 'frozen'), statusPush('one', start + 2, 'normal')], start + 3],
  ['active', [bought, statusPush('one', start + 1, 'expired'), renewPush('one', start + 2, end)], start + 3],
  ['active', [bought, statusPush('one', start + 1, 'expired'), statusPush('one', start + 2, 'normal')], start + 3],
  ['active', [bought, renewPush('one', end + 9 * dayMs, end + 30 * dayMs)], end + 10 * dayMs],
  ['provisioning', [createPush('one', start, { provisioning: 'pending' })], start + 1],
  ['provisioning', [createPush('one', start, { provisioning: 'pending', expiresAt: end })], end + 9 * dayMs],
  ['refused', [
    createPush('one', start, { provisioning: 'pending' }),
    instancePush('one', start + 1, { kind: 'provision', report: { kind: 'refused', reason: 'no quota' } }),
  ], start + 2],
  ['active', [createPush('one', start, { provisioning: 'pending' }), readyPush('one', start + 1)], start + 2],
  ['grace', [bought], end],
  ['grace', [bought], end + dayMs - 1],
  ['grace', [bought, statusPush('one', start + hour, 'expired')], start + hour],
  ['grace', [bought, renewPush('one', start + hour, start + 2 * hour)], start + 2 * hour],
  ['expired', [bought], end + dayMs],
  ['expired', [bought, statusPush('one', start + hour, 'expired')], start + hour + dayMs],
  ['expired', [bought, statusPush('one', end + 9 * dayMs, 'expired')], end + 9 * dayMs],
  ['frozen', [bought, statusPush('one', start + 1, 'frozen')], start + 2],
  ['frozen', [bought, statusPush('one', start + 1, 'frozen')], end + 90 * dayMs],
  ['frozen', [bought, statusPush('one', start + 1, 'frozen'), renewPush('one', start + 2, end + dayMs)], start + 3],
  ['frozen', [bought, statusPush('one', start + 1, 'frozen'), statusPush('one', start + 2, 'expired')], start + 3],
  ['frozen', [bought, statusPush('one', start + 1, 'expired'), statusPush('one', start + 2, 'frozen')], start + 3],
  ['frozen', [createPush('one', start, { provisioning: 'pending' }), statusPush('one', start + 1, 'frozen')], start + 2],
  ['released', [bought, releasePush('one', start + 1)], start + 2],
  ['released', [bought, statusPush('one', start + 1, 'frozen'), releasePush('one', start + 2)], start + 3],
  ['released', [bought, releasePush('one', start + 1), renewPush('one', start + 2, end), statusPush('one', start + 3, 'normal'), bought], start + 4],
]

/** What each policy says, written out for each state that has one. */
const outcomes: Readonly<Record<string, Readonly<Record<ContractPolicy, string>>>> = {
  active: { full: 'full', 'read-only': 'full', renew: 'full', refuse: 'full' },
  provisioning: { full: 'instance-not-ready', 'read-only': 'instance-not-ready', renew: 'instance-not-ready', refuse: 'instance-not-ready' },
  refused: { full: 'instance-not-ready', 'read-only': 'instance-not-ready', renew: 'instance-not-ready', refuse: 'instance-not-ready' },
  grace: { full: 'full', 'read-only': 'read-only', renew: 'instance-expired+renew', refuse: 'instance-expired' },
  expired: { full: 'full', 'read-only': 'read-only', renew: 'instance-expired+renew', refuse: 'instance-expired' },
  frozen: { full: 'full', 'read-only': 'read-only', renew: 'instance-frozen+renew', refuse: 'instance-frozen' },
  released: { full: 'full', 'read-only': 'read-only', renew: 'instance-released+renew', refuse: 'instance-released' },
}

t.test('every state under every policy: in, in to read, out with the way to renew, or out', async (t) => {
  t.strictSame([...new Set(states.map(([state]) => state))].sort(), Object.keys(outcomes).sort())
  for (const [state, pushes, now] of states) {
    for (const policy of contractPolicies) {
      // All the other states say something else, so that an answer can't be right by chance.
      const other = policy === 'full' ? 'refuse' : 'full'
      const rules = { grace: other, expired: other, frozen: other, released: other, [state]: policy } as const
      const decision = decide(viewOf(instancesAfter(pushes)), { now, rules })
      t.equal(said(decision), outcomes[state]?.[policy], `${state} under ${policy}, ${pushes.length} messages`)
    }
  }
})

t.test('by default: a day of grace, then the way to renew; a freeze shows it too; a release does not', async (t) => {
  for (const [state, expected] of Object.entries({
    active: 'full',
    provisioning: 'instance-not-ready',
    refused: 'instance-not-ready',
    grace: 'full',
    expired: 'instance-expired+renew',
    frozen: 'instance-frozen+renew',
    released: 'instance-released',
  })) {
    for (const [name, pushes, now] of states) if (name === state) t.equal(said(decide(viewOf(instancesAfter(pushes)), { now })), expected)
  }
})

t.test('the days of grace begin and end to the millisecond, also none of them', async (t) => {
  const view = viewOf(instancesAfter([bought]))
  const rules = { grace: 'read-only', expired: 'refuse' } as const
  for (const graceDays of [0, 1, 7, 90]) {
    const graceEnd = end + graceDays * dayMs
    t.equal(said(decide(view, { now: end - 1, rules: { ...rules, graceDays } })), 'full')
    t.equal(said(decide(view, { now: graceEnd, rules: { ...rules, graceDays } })), 'instance-expired')
    if (graceDays === 0) continue
    t.equal(said(decide(view, { now: end, rules: { ...rules, graceDays } })), 'read-only')
    t.equal(said(decide(view, { now: graceEnd - 1, rules: { ...rules, graceDays } })), 'read-only')
  }
})

t.test('a purchase that no newInstance has told of is open; a cancelled renewal moves the end back', async (t) => {
  t.equal(said(decide(viewOf([]), { now: end * 2 })), 'full')
  const cancelled = instancePush('one', start + hour, {
    kind: 'renew', scene: 'UNSUBSCRIBE_RENEWAL_PERIOD', order: { orderId: 'renewal', orderLineId: '' }, expiresAt: start + 2 * hour,
  })
  t.equal(said(decide(viewOf(instancesAfter([bought, cancelled])), { now: start + 3 * dayMs })), 'instance-expired+renew')
})

t.test('of several purchases the one that opens widest counts; if none opens, the one nearest to opening is named', async (t) => {
  const two = (...pushes: InstancePush[]): AccessView => viewOf(instancesAfter(pushes), ['one', 'two'])
  const frozen = [bought, statusPush('one', start + 1, 'frozen')]
  const now = start + hour
  t.equal(said(decide(two(...frozen, createPush('two', start)), { now })), 'full')
  t.match(decide(two(...frozen, createPush('two', start)), { now }), { principal: { instanceId: 'two' } })
  t.equal(said(decide(two(...frozen), { now })), 'full', 'the other is unknown, so open')
  const late = { now: end, rules: { grace: 'read-only' as const } }
  t.match(decide(two(bought, createPush('two', start)), late), { principal: { instanceId: 'two', access: 'full' } }, 'full before read-only')
  const older = decide(two(createPush('one', start), createPush('two', start, { expiresAt: end })), late)
  t.match(older, { principal: { instanceId: 'one', access: 'full' } }, 'also if it is the older')
  t.equal(said(decide(two(...frozen, createPush('two', start, { expiresAt: end })), late)), 'read-only', 'read-only before none')
  const closed: [string, InstancePush[]][] = [
    ['instance-not-ready', [createPush('two', start, { provisioning: 'pending' })]],
    ['instance-expired+renew', [createPush('two', start, { expiresAt: start - 9 * dayMs })]],
    ['instance-frozen+renew', [createPush('two', start), releasePush('two', start + 1)]],
  ]
  for (const [expected, pushes] of closed) t.equal(said(decide(two(...frozen, ...pushes), { now })), expected)
  // One of two of the same reason is to be renewed: the way is shown.
  const mixed = two(createPush('one', start, { expiresAt: now - hour }), createPush('two', start, { expiresAt: now - 9 * dayMs }))
  t.equal(said(decide(mixed, { now, rules: { grace: 'refuse' } })), 'instance-expired+renew')
  t.equal(said(decide(mixed, { now, rules: { grace: 'refuse', expired: 'refuse' } })), 'instance-expired')
})

t.test('a freeze or a release that closes the door ends the session for good; what closes nothing ends none', async (t) => {
  const later = start + hour
  const thawed = [bought, statusPush('one', start + 1, 'frozen'), statusPush('one', start + 2, 'normal')]
  const survives = (pushes: InstancePush[], rules: Partial<ContractRules> = {}, now = later): string =>
    said(decide(viewOf(instancesAfter(pushes)), { now, rules, knownLoss: '' }))
  t.equal(survives(thawed), 'authorisation-withdrawn')
  t.equal(survives(thawed, { frozen: 'refuse' }), 'authorisation-withdrawn')
  t.equal(survives(thawed, { frozen: 'read-only' }), 'full')
  t.equal(survives(thawed, { frozen: 'full' }), 'full')
  t.equal(said(decide(viewOf(instancesAfter(thawed)), { now: later })), 'full', 'a new sign-in succeeds')
  t.equal(survives([bought, releasePush('one', start + 1)], { released: 'read-only' }), 'read-only')
  const over = [bought, statusPush('one', start + 1, 'expired')]
  t.equal(survives(over), 'full', 'V1\'s expiry opens the days of grace, as the clock does')
  t.equal(survives([...over, renewPush('one', start + 2 * dayMs, end)], {}, start + 3 * dayMs), 'full', 'and a renewal ends no session')

  const released = instancesAfter([bought, releasePush('one', start + 1), createPush('two', start)])
  t.equal(said(decide(viewOf(released, ['one', 'two']), { now: later, knownLoss: '' })), 'authorisation-withdrawn', 'who was granted both signs in anew')
  t.equal(said(decide(viewOf(released, ['one', 'two']), { now: later })), 'full')
  t.equal(said(decide(viewOf(released, ['one', 'two'], ['two']), { now: later, knownLoss: '' })), 'full', 'who never used the released one stays in')
})

const policy = fc.constantFrom(...contractPolicies)
const anyRules = fc.record({ graceDays: fc.constantFrom(0, 1, 3), grace: policy, expired: policy, frozen: policy, released: policy })
const anyPush = fc.tuple(fc.constantFrom('one', 'two'), fc.nat(20), fc.nat(12), fc.nat(7)).map(([id, day, half, kind]): InstancePush => {
  const at = start + day * dayMs
  const expiresAt = start + half * dayMs / 2
  switch (kind) {
    case 0: return createPush(id, at, { expiresAt })
    case 1: return createPush(id, at, { provisioning: 'pending' })
    case 2: return readyPush(id, at)
    case 3: return renewPush(id, at, expiresAt)
    case 4: return statusPush(id, at, 'frozen')
    case 5: return statusPush(id, at, 'normal')
    case 6: return statusPush(id, at, 'expired')
    default: return releasePush(id, at)
  }
})

t.test('until the time that a decision names, the same rows give the same decision', async (t) => {
  let timed = 0
  let changed = 0
  fc.assert(fc.property(fc.array(anyPush, { maxLength: 12 }), anyRules, fc.nat(48), fc.nat(100), (pushes, contract, half, percent) => {
    const view = viewOf(instancesAfter(pushes), ['one', 'two'])
    const now = start + half * dayMs / 2
    const decision = decideAccess(view, { now, contract })
    if (decision.kind === 'refuse') return
    const until = decision.until ?? now + 400 * dayMs
    if (decision.until !== undefined) timed++
    if (until <= now) throw new Error('it must last a while')
    for (const then of [now + Math.floor((until - 1 - now) * percent / 100), until - 1]) {
      const later = decideAccess(view, { now: then, contract })
      if (JSON.stringify(later) !== JSON.stringify(decision)) throw new Error(`changed before its time: ${JSON.stringify(later)}`)
    }
    if (said(decideAccess(view, { now: until, contract })) !== said(decision)) changed++
  }), { numRuns: 2_000 })
  t.ok(timed > 100, `${timed} of them end by the clock`)
  t.ok(changed > 20, `${changed} of them became another at that time`)
})
