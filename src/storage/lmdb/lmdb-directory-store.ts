import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { Instance } from '../../directory/instance.ts'
import type { Account, ClientBinding, Department, InstanceId, Realm, Tenant } from '../../directory/model.ts'
import { createCommit, type CommitParts } from './lmdb-commit.ts'
import { exportDirectory } from './lmdb-directory-export.ts'
import { guarded, guardedNow, written } from './lmdb-environment.ts'
import type { TakeTurn } from './lmdb-turns.ts'
import { PreparedBatch } from './prepared-batch.ts'

/** The directory in LMDB. */
export function openLmdbDirectoryStore (parts: CommitParts, takeTurn: TakeTurn): DirectoryStore {
  const { environment, rows, revisions, receipts } = parts
  const commit = createCommit(parts)

  const instancesOf = (realm: Realm, instanceIds: Iterable<InstanceId>): Instance[] =>
    [...new Set(instanceIds)].map((instanceId) => rows.reader.instance(realm, instanceId)).filter((instance) => instance !== undefined)

  const view: DirectoryStore['viewTenant'] = (realm, tenantId, appId) => guarded(environment, () => {
    const tenants = rows.under<Tenant>(['tenant', realm, tenantId])
    return {
      tenantId,
      appId,
      tenants,
      bindings: rows.under<ClientBinding>(['binding', realm, tenantId, appId]),
      accounts: [],
      instances: instancesOf(realm, tenants.map(({ instanceId }) => instanceId)),
    }
  })

  return {
    commit: (push, receipt) => takeTurn((handOver) => guarded(environment, () => commit(handOver, push, receipt))),

    keepAnswer: (signatureDigest, expiresAt, answer) => written(environment, () => {
      const batch = new PreparedBatch()
      receipts.stageAnswer(batch, signatureDigest, expiresAt, answer)
      return batch.hand(environment)
    }),

    findAnswer: (signatureDigest) => guarded(environment, async () => {
      const answer = receipts.answerTo(signatureDigest)
      // Of a commit under way it is seen before the disk has it, and whoever sees it gives it away.
      if (answer !== undefined) await environment.flushed
      return answer
    }),

    findInstances: (realm, instanceIds) => guarded(environment, () => instancesOf(realm, instanceIds)),

    findInstanceOfOrder: (realm, order) => guarded(environment, () => {
      const instanceId = rows.reader.order(realm, order)
      return instanceId === undefined ? undefined : rows.reader.instance(realm, instanceId)
    }),

    listDepartments: (realm, tenantId, instanceId) => guarded(environment, () => {
      const list = rows.reader.departmentList(realm, tenantId, instanceId)
      return rows.under<Department>(['department', realm, tenantId, instanceId])
        .filter(({ isDeleted, version }) => !isDeleted && (list === undefined || version >= list.version))
    }),

    export: (realm) => exportDirectory(environment, rows, realm),

    viewTenant: view,

    viewAccess: async (realm, tenantId, appId, userName) => ({
      ...await view(realm, tenantId, appId),
      accounts: await guarded(environment, () => rows.under<Account>(['account', realm, tenantId, appId, userName])),
    }),

    revisionOf: (realm, tenantId) => guardedNow(environment, () => revisions.get(realm, tenantId)),

    sweep: (now) => guarded(environment, () => receipts.sweep(now)),
  }
}
