import { applyPush, type RowReader, type RowWrite } from '../../src/directory/apply-push.ts'
import type { CommitOutcome, DirectoryStore, PushReceipt } from '../../src/directory/directory-store.ts'
import type { AccessView, Account, AppId, ClientBinding, Realm, Tenant, TenantId, UserName } from '../../src/directory/model.ts'
import type { PushMessage } from '../../src/directory/push-message.ts'

const keyOf = (...parts: string[]): string => JSON.stringify(parts)

/** The directory in maps: the same rules (`applyPush`), nothing durable. */
export class MemoryDirectory implements DirectoryStore, RowReader {
  readonly tenants = new Map<string, Tenant>()
  readonly bindings = new Map<string, ClientBinding>()
  readonly accounts = new Map<string, Account>()
  readonly receipts = new Map<string, number>()
  /** What every commit that had an effect was given, in order. */
  readonly committed: PushMessage[] = []
  /** Set to make the next commits fail. */
  fault: Error | undefined

  async commit (push: PushMessage, receipt: PushReceipt): Promise<CommitOutcome> {
    if (this.fault !== undefined) throw this.fault
    if (this.receipts.has(receipt.signatureDigest)) return { kind: 'repeated' }
    const effect = applyPush(push, this)
    if (effect.kind === 'incomplete') return effect
    for (const write of effect.writes) this.#write(push, write)
    this.receipts.set(receipt.signatureDigest, receipt.expiresAt)
    this.committed.push(push)
    return { kind: 'committed' }
  }

  #write ({ realm, tenantId }: PushMessage, write: RowWrite): void {
    switch (write.kind) {
      case 'tenant': this.tenants.set(keyOf(realm, tenantId, write.row.instanceId), write.row); break
      case 'binding': this.bindings.set(keyOf(realm, tenantId, write.appId, write.row.instanceId), write.row); break
      case 'account': this.accounts.set(keyOf(realm, tenantId, write.appId, write.row.userName, write.row.instanceId), write.row)
    }
  }

  tenant (...key: Parameters<RowReader['tenant']>): Tenant | undefined {
    return this.tenants.get(keyOf(...key))
  }

  binding (...key: Parameters<RowReader['binding']>): ClientBinding | undefined {
    return this.bindings.get(keyOf(...key))
  }

  account (...key: Parameters<RowReader['account']>): Account | undefined {
    return this.accounts.get(keyOf(...key))
  }

  async viewAccess (realm: Realm, tenantId: TenantId, appId: AppId, userName: UserName): Promise<AccessView> {
    return { ...await this.viewTenant(realm, tenantId, appId), accounts: rowsUnder(this.accounts, [realm, tenantId, appId, userName]) }
  }

  async viewTenant (realm: Realm, tenantId: TenantId, appId: AppId): Promise<AccessView> {
    return {
      tenantId,
      appId,
      tenants: rowsUnder(this.tenants, [realm, tenantId]),
      bindings: rowsUnder(this.bindings, [realm, tenantId, appId]),
      accounts: [],
    }
  }

  revisionOf (realm: Realm, tenantId: TenantId): number {
    return this.committed.filter((push) => push.realm === realm && push.tenantId === tenantId).length
  }

  async sweep (now: number): Promise<number> {
    const expired = [...this.receipts].filter(([, expiresAt]) => expiresAt < now)
    for (const [digest] of expired) this.receipts.delete(digest)
    return expired.length
  }
}

/** The rows whose key starts with these parts: one per instance. */
function rowsUnder<Row> (rows: ReadonlyMap<string, Row>, parts: readonly string[]): Row[] {
  return [...rows].filter(([key]) => parts.every((part, index) => (JSON.parse(key) as string[])[index] === part)).map(([, row]) => row)
}
