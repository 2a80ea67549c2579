import type { Session, SessionRef } from './session.ts'

/** Sessions by the hash of their id, sealed at rest. A fault rejects with `GW_STORAGE_UNAVAILABLE`, never "no session" (C-35). */
export interface SessionStore {
  /** `undefined` if there is none. Expiry is the caller's judgement: the store keeps a row until `sweep`. */
  find (ref: SessionRef): Promise<Session | undefined>
  /** Stores a new session, durable before it resolves. */
  create (session: Session): Promise<void>
  /**
   * Replaces the session if its stored revision is `session.revision - 1`; `false` if it was changed or ended meanwhile. An
   * ended session can therefore never be written back to life by a request in flight (T-13).
   */
  replace (session: Session): Promise<boolean>
  /** Removes the session with its tokens; `true` if there was one. */
  end (ref: SessionRef): Promise<boolean>
  /** Removes sessions whose absolute end lies before `now` or that were last seen before `idleSince`; returns how many. */
  sweep (now: number, idleSince: number): Promise<number>
}
