import type { Realm, TenantId } from '../../../directory/model.ts'
import type { SessionRef } from '../../../session/session.ts'

/**
 * Where everything lies in Redis. What stands in braces decides the slot of a cluster (hash tag):
 *
 * - `{p:TENANT}` or `{t:TENANT}` (realm and tenant): all that the Kit interfaces say of a tenant, so that a push is one atomic script;
 * - `{market:p}` or `{market:t}`: what belongs to no tenant: instances, orders, events, and the list of tenants;
 * - `{market}`: the gateway's own: signing keys, key usage, counters, the push log's index;
 * - `{s:REF}`: one session; `{f:REF}`: one login flow; others name themselves.
 *
 * What would have to change in two slots at once is written ahead into the one that only leads to the other: a list of tenants, an index
 * of numbers. Such a list may name what isn't there; it never lacks what is.
 */
export interface RedisKeys {
  tenant (realm: Realm, tenantId: TenantId, ...name: string[]): string
  market (realm: Realm, ...name: string[]): string
  own (...name: string[]): string
  session (ref: SessionRef): string
  /** One short-lived thing by itself: `kind` says what it is. */
  single (kind: string, id: string, ...name: string[]): string
  /** The channel of notifications. */
  readonly channel: string
}

/** @param prefix so that several applications may share a server */
export function createRedisKeys (prefix: string): RedisKeys {
  const key = (tag: string, name: readonly string[]): string => [`${prefix}:{${tag}}`, ...name].join(':')
  return {
    tenant: (realm, tenantId, ...name) => key(`${realm[0] ?? ''}:${plain(tenantId)}`, name),
    market: (realm, ...name) => key(`market:${realm[0] ?? ''}`, name),
    own: (...name) => key('market', name),
    session: (ref) => key(`s:${plain(ref)}`, []),
    single: (kind, id, ...name) => key(`${kind}:${plain(id)}`, name),
    channel: `${prefix}:changes`,
  }
}

/** An id as part of a key: without braces, which would end the hash tag, and without a colon, which would begin the next part. */
export function plain (id: string): string {
  // An id that came with half a surrogate pair is written as UTF-8 writes it, here as in LMDB.
  return encodeURIComponent(Buffer.from(id).toString())
}
