import type { Clock } from '../base/clock.ts'
import type { KeyUsageStore } from '../base/key-usage-store.ts'
import { contractStanding, type ContractState } from '../directory/contract.ts'
import type { DirectoryListing } from '../directory/directory-listing.ts'
import type { Instance } from '../directory/instance.ts'
import type { Realm } from '../directory/model.ts'
import { newestPushes, type PushHeading } from '../directory/newest-pushes.ts'
import type { Outbox, OutboxEntry } from '../directory/outbox.ts'
import type { PushLog } from '../directory/push-log.ts'
import { keyStates, type KeyState } from '../push/key-states.ts'
import type { PushKeySource } from '../push/push-keys.ts'

export interface StatusDeps {
  readonly listing: DirectoryListing
  readonly pushLog: Pick<PushLog, 'find' | 'range'>
  readonly keyUsage: Pick<KeyUsageStore, 'list'>
  readonly outbox: Pick<Outbox, 'list'>
  readonly keys: PushKeySource
  readonly clock: Clock
  readonly graceDays: number
  readonly applicationName: string
}

/** The first rows of a list, and whether there are more. */
export interface Cut<Row> { readonly rows: readonly Row[], readonly isCut: boolean }

export interface TenantStatus {
  readonly tenantId: string
  readonly instanceId: string
  readonly name: string
  readonly authorizationServer: string
  readonly isBound: boolean
}

export interface InstanceStatus {
  readonly instanceId: string
  readonly orderId: string
  readonly state: ContractState
  /** Epoch ms at which the clock alone will change the state. */
  readonly until?: number
}

export interface RealmStatus { readonly tenants: Cut<TenantStatus>, readonly instances: Cut<InstanceStatus> }

/** How the gateway is, without any personal value. All times are epoch ms. */
export interface Status {
  readonly at: number
  readonly application: string
  readonly production: RealmStatus
  readonly test: RealmStatus
  /** Newest first. */
  readonly pushes: readonly PushHeading[]
  readonly keys: readonly KeyState[]
  readonly outbox: {
    readonly waiting: number
    readonly entries: ReadonlyArray<Pick<OutboxEntry, 'sequence' | 'attempts' | 'notBefore'> & { readonly type: string, readonly instanceId: string }>
  }
}

const largestList = 200
const entriesShown = 50

export async function readStatus (deps: StatusDeps): Promise<Status> {
  const waiting = await deps.outbox.list()
  return {
    at: deps.clock.now(),
    application: deps.applicationName,
    production: await readRealm(deps, 'production'),
    test: await readRealm(deps, 'test'),
    pushes: (await newestPushes(deps.pushLog, entriesShown)).reverse(),
    keys: keyStates(deps.keys.current(), await deps.keyUsage.list()),
    outbox: {
      waiting: waiting.length,
      entries: waiting.slice(0, entriesShown).map(({ sequence, event: { type, instanceId }, attempts, notBefore }) =>
        ({ sequence, type, instanceId, attempts, notBefore })),
    },
  }
}

async function readRealm ({ listing, clock, graceDays }: StatusDeps, realm: Realm): Promise<RealmStatus> {
  const tenants = await listing.listTenants(realm, largestList + 1)
  const instances = await listing.listInstances(realm, largestList + 1)
  return {
    tenants: cut(tenants.map(({ tenantId, tenant: { instanceId, name, authorizationServer, isDeleted } }) =>
      ({ tenantId, instanceId, name, authorizationServer, isBound: !isDeleted }))),
    instances: cut(instances.map((instance) => describeInstance(instance, clock.now(), graceDays))),
  }
}

function describeInstance (instance: Instance, now: number, graceDays: number): InstanceStatus {
  return { instanceId: instance.instanceId, orderId: instance.order.orderId, ...contractStanding(instance, now, graceDays) }
}

function cut<Row> (rows: readonly Row[]): Cut<Row> {
  return { rows: rows.slice(0, largestList), isCut: rows.length > largestList }
}
