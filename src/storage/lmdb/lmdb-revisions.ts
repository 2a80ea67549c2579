import type { Database, RootDatabase } from 'lmdb'
import type { Realm, TenantId } from '../../directory/model.ts'
import type { PreparedBatch } from './prepared-batch.ts'

/** The number of changes that a tenant has seen, its own and those of its instances. */
export interface Revisions {
  get (realm: Realm, tenantId: TenantId): number
  /** Whoever changes them does so in the directory's turn (`InTurn`). */
  stageNext (batch: PreparedBatch, realm: Realm, tenantIds: Iterable<TenantId>): void
}

export function openRevisions (environment: RootDatabase): Revisions {
  const revisions: Database<number, string[]> = environment.openDB('directory-revisions', { encoding: 'msgpack' })
  const get: Revisions['get'] = (realm, tenantId) => revisions.get([realm, tenantId]) ?? 0
  return {
    get,
    stageNext (batch, realm, tenantIds) {
      for (const tenantId of new Set(tenantIds)) batch.put(revisions, [realm, tenantId], get(realm, tenantId) + 1)
    },
  }
}
