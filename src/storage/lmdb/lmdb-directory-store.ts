import type { Database, RootDatabase } from 'lmdb'
import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { Secret } from '../../base/secret.ts'
import { applyPush, type RowReader, type RowWrite } from '../../directory/apply-push.ts'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { Account, ClientBinding, Realm, Tenant, TenantId } from '../../directory/model.ts'
import { guarded, guardedNow, written } from './lmdb-environment.ts'
import { sweepTable } from './sweep-table.ts'

type Key = string[]
type StoredBinding = Omit<ClientBinding, 'clientSecret'> & { sealedSecret: Buffer | undefined }

/** Sorts behind every text, so that a range over a key's beginning ends with its last row. */
const afterAll = Buffer.of(0xff)

/**
 * The directory in LMDB. Keys: kind, realm, tenant, then application, account, instance as far as the kind has them; a tenant is
 * one contiguous range of each kind.
 */
export function openLmdbDirectoryStore (environment: RootDatabase, box: SealedBox): DirectoryStore {
  const rows: Database<unknown, Key> = environment.openDB('directory', { encoding: 'msgpack' })
  const revisions: Database<number, Key> = environment.openDB('directory-revisions', { encoding: 'msgpack' })
  const receipts: Database<number, string> = environment.openDB('push-receipts', { encoding: 'msgpack' })

  const keyOf = (realm: Realm, tenantId: TenantId, write: RowWrite): Key => {
    switch (write.kind) {
      case 'tenant': return ['tenant', realm, tenantId, write.row.instanceId]
      case 'binding': return ['binding', realm, tenantId, write.appId, write.row.instanceId]
      case 'account': return ['account', realm, tenantId, write.appId, write.row.userName, write.row.instanceId]
    }
  }

  const toStored = (key: Key, write: RowWrite): unknown => {
    if (write.kind !== 'binding') return write.row
    const { clientSecret, ...rest } = write.row
    const sealedSecret = clientSecret === undefined ? undefined : box.seal(clientSecret.reveal(), sealContext(key))
    return { ...rest, sealedSecret } satisfies StoredBinding
  }

  const toBinding = (key: Key, stored: StoredBinding): ClientBinding => {
    const { sealedSecret, ...rest } = stored
    if (sealedSecret === undefined) return { ...rest, clientSecret: undefined }
    const opened = box.open(sealedSecret, sealContext(key))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return { ...rest, clientSecret: new Secret(opened.toString()) }
  }

  const reader: RowReader = {
    tenant: (realm, tenantId, instanceId) => rows.get(['tenant', realm, tenantId, instanceId]) as Tenant | undefined,
    binding (realm, tenantId, appId, instanceId) {
      const key = ['binding', realm, tenantId, appId, instanceId]
      const stored = rows.get(key) as StoredBinding | undefined
      return stored && toBinding(key, stored)
    },
    account: (realm, tenantId, appId, userName, instanceId) =>
      rows.get(['account', realm, tenantId, appId, userName, instanceId]) as Account | undefined,
  }

  /** The rows whose key is `start` plus the instance. */
  const perInstance = <Row>(start: Key, read: (key: Key, value: unknown) => Row): Row[] =>
    [...rows.getRange({ start, end: [...start, afterAll] as unknown as Key })]
      .filter(({ key }) => key.length === start.length + 1)
      .map(({ key, value }) => read(key, value))

  const view: DirectoryStore['viewTenant'] = (realm, tenantId, appId) => guarded(environment, () => ({
    tenantId,
    appId,
    tenants: perInstance(['tenant', realm, tenantId], (_key, value) => value as Tenant),
    bindings: perInstance(['binding', realm, tenantId, appId], (key, value) => toBinding(key, value as StoredBinding)),
    accounts: [],
  }))

  const commit: DirectoryStore['commit'] = async (push, receipt) => {
    if (receipts.get(receipt.signatureDigest) !== undefined) return { kind: 'repeated' }
    const effect = applyPush(push, reader)
    if (effect.kind === 'incomplete') return effect
    // One batch is one transaction, on LMDB's own thread: a crash leaves all of a push or nothing. (Asynchronous transactions with a
    // callback never came back on Node 20 with lmdb 3.5.6.)
    await written(environment, () => environment.batch(() => {
      for (const write of effect.writes) {
        const key = keyOf(push.realm, push.tenantId, write)
        void rows.put(key, toStored(key, write))
      }
      const revisionKey = [push.realm, push.tenantId]
      void revisions.put(revisionKey, (revisions.get(revisionKey) ?? 0) + 1)
      void receipts.put(receipt.signatureDigest, receipt.expiresAt)
    }))
    return { kind: 'committed' }
  }

  // What a push reads must be what the push before it wrote: one commit at a time.
  let lastCommit: Promise<unknown> = Promise.resolve()

  return {
    commit (push, receipt) {
      const next = lastCommit.then(() => guarded(environment, () => commit(push, receipt)))
      lastCommit = next.catch(() => undefined)
      return next
    },

    viewTenant: view,

    viewAccess: async (realm, tenantId, appId, userName) => ({
      ...await view(realm, tenantId, appId),
      accounts: await guarded(environment, () =>
        perInstance(['account', realm, tenantId, appId, userName], (_key, value) => value as Account)),
    }),

    revisionOf: (realm, tenantId) => guardedNow(environment, () => revisions.get([realm, tenantId]) ?? 0),

    sweep: (now) => guarded(environment, () => sweepTable(environment, receipts, (expiresAt) => expiresAt < now)),
  }
}

/** A sealed secret opens only in the row it was written for. */
function sealContext (key: Key): string {
  return `directory:${JSON.stringify(key)}`
}
