import type { Clock } from '../../../base/clock.ts'
import type { DirectoryStore } from '../../../directory/directory-store.ts'
import type { Realm, TenantId } from '../../../directory/model.ts'
import type { StoreChange } from '../../../session/store-changes.ts'
import type { RedisChanges } from '../redis-changes.ts'
import type { RedisConnection } from '../connection/redis-connection.ts'
import { fieldOf, revisionKey, type DirectoryHashes } from './redis-rows.ts'

/** How long what was read may be answered without asking again: with the time for asking, a lost notification costs less than a second. */
const freshMs = 500
/** More tenants than a gateway serves in half a second. */
const tenantsAtMost = 10_000

interface Found {
  readonly revision: number
  /** Fields of the instances that the tenant has ever had rows of. */
  readonly instances: ReadonlySet<string>
}

interface Look {
  readonly realm: Realm
  readonly tenantId: TenantId
  /** When it began: what it finds is at least as new. */
  readonly at: number
  readonly pending: Promise<Found>
  found: Found | undefined
}

/**
 * The revision of a tenant: the number of its commits and, of each instance it has had rows of, of those since the first such row. Each
 * part only grows, so the sum is another one after each of these commits.
 */
export function createRedisRevisions (
  { keys, reads, guarded }: Pick<RedisConnection, 'keys' | 'reads' | 'guarded'>,
  hashes: DirectoryHashes,
  changes: Pick<RedisChanges, 'listen' | 'isListening'>,
  clock: Clock,
): DirectoryStore['revisionOf'] {
  // A look that a change was told during is not in here any more: whoever asks afterwards looks for himself.
  const looks = new Map<string, Look>()

  const read = async (realm: Realm, tenantId: TenantId): Promise<Found> => {
    const [own, firstSeen] = await Promise.all([
      reads.get(revisionKey(keys, { realm, tenantId })), reads.hgetall(hashes.bindingsToInstances(realm, tenantId)),
    ])
    const fields = Object.keys(firstSeen)
    const now = fields.length === 0 ? [] : await reads.hmget(hashes.instanceRevisions(realm), ...fields)
    const since = fields.map((field, index) => Number(now[index] ?? 0) - Number(firstSeen[field]))
    return { revision: since.reduce((sum, count) => sum + count, Number(own ?? 0)), instances: new Set(fields) }
  }

  const look = (name: string, realm: Realm, tenantId: TenantId): Look => {
    const begun: Look = { realm, tenantId, at: clock.now(), pending: guarded(() => read(realm, tenantId)), found: undefined }
    looks.delete(name)
    looks.set(name, begun)
    begun.pending.then(
      (found) => { begun.found = found },
      () => { if (looks.get(name) === begun) looks.delete(name) },
    )
    const [oldest] = looks.size > tenantsAtMost ? looks.keys() : []
    if (oldest !== undefined) looks.delete(oldest)
    return begun
  }

  changes.listen((change) => {
    if (change.kind === 'anything') looks.clear()
    for (const [name, known] of looks) if (concerns(change, known)) looks.delete(name)
  })

  return (realm, tenantId) => {
    const name = `${realm}:${tenantId}`
    const known = changes.isListening ? looks.get(name) : undefined
    const now = clock.now()
    // A clock that was set back makes old what it no longer knows the age of.
    const isFresh = known !== undefined && now >= known.at && now <= known.at + freshMs
    const { found, pending } = isFresh ? known : look(name, realm, tenantId)
    return found?.revision ?? pending.then(({ revision }) => revision)
  }
}

function concerns (change: StoreChange, { realm, tenantId, found }: Look): boolean {
  switch (change.kind) {
    case 'tenant': return change.realm === realm && change.tenantId === tenantId
    // A look under way doesn't know yet which instances it is about.
    case 'instance': return change.realm === realm && (found === undefined || found.instances.has(fieldOf(change.instanceId)))
    case 'session': return false
    case 'anything': return true
  }
}
