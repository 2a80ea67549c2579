import type { AppId, TenantId, UserName } from '../directory/model.ts'
import type { Session, SessionRef } from './session.ts'

/** Whose sessions: everybody's, one enterprise's, one end-user's at one application. */
export type SessionScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'tenant', readonly tenantId: TenantId }
  | { readonly kind: 'user', readonly tenantId: TenantId, readonly appId: AppId, readonly userName: UserName }

/** Sessions by the hash of their id, sealed at rest. A fault rejects with `GW_STORAGE_UNAVAILABLE`, never "no session" (C-35). */
export interface SessionStore {
  /** `undefined` if there is none. Expiry is the caller's judgement: the store keeps a row until `sweep`. */
  find (ref: SessionRef): Promise<Session | undefined>
  /** Stores a new session, durable before it resolves. */
  create (session: Session): Promise<void>
  /**
   * Replaces the session if its stored revision is `session.revision - 1`; `false` if it was changed or ended meanwhile. An
   * ended session can therefore never be written back to life by a request in flight (T-13). After `false` the next `find` looks at
   * the store itself. Durable before it resolves, a mere sighting too: a revision that a failover took back could be given
   * twice, and then the compare would compare nothing. Who is signed in and until when stays as created; `lastSeenAt` never goes back.
   */
  replace (session: Session): Promise<boolean>
  /** Removes the session with its tokens; `true` if there was one. */
  end (ref: SessionRef): Promise<boolean>
  /**
   * The sessions of the scope, in no order, each once; the work grows with their number and with nobody else's. One that is over but not
   * yet swept is listed; one that begins or ends meanwhile may or may not be.
   */
  list (scope: SessionScope): AsyncIterable<Session>
  /** Removes sessions whose absolute end lies before `now` or that were last seen before `idleSince`; returns how many. */
  sweep (now: number, idleSince: number): Promise<number>
}
