import type { InstanceId, Realm, TenantId } from '../directory/model.ts'
import type { SessionRef } from './session.ts'

/** What has changed in the store, by this gateway or by another one on the same store. */
export type StoreChange =
  | { readonly kind: 'tenant', readonly realm: Realm, readonly tenantId: TenantId }
  | { readonly kind: 'instance', readonly realm: Realm, readonly instanceId: InstanceId }
  /** A session was ended or replaced. */
  | { readonly kind: 'session', readonly ref: SessionRef }
  /** Notifications may have been lost (the connection was gone): anything may have changed. */
  | { readonly kind: 'anything' }

/**
 * Tells of changes as soon as they are committed. A notification may be lost, so nothing may rest on it alone: whoever must hear
 * of a loss of access looks by itself too, within a second.
 */
export interface StoreChanges {
  /** @returns a function that ends the subscription. The listener is called synchronously and must not throw. */
  listen (listener: (change: StoreChange) => void): () => void
}

export interface ChangeFeed extends StoreChanges {
  tell (change: StoreChange): void
}

export function createChangeFeed (): ChangeFeed {
  const listeners = new Set<(change: StoreChange) => void>()
  return {
    listen (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    tell (change) {
      for (const listener of listeners) listener(change)
    },
  }
}
