import type { Brand } from '../base/brand.ts'
import { sha256 } from '../base/digest.ts'
import type { AppId, InstanceId, PushVersion, Role, TenantId, UserName } from '../directory/model.ts'

/** The cookie's value: whoever holds it is the end-user. Never stored, never logged. */
export type SessionId = Brand<'SessionId'>
/** SHA-256 of a session id: what the store and the log know a session by. */
export type SessionRef = Brand<'SessionRef'>

/** What a grant returned (RFC 6749 §5.1). Kept sealed; never leaves the gateway (C-10). */
export interface TokenSet {
  readonly accessToken: string
  /** Optional: the marketplace's own pages disagree on whether one comes (`login.md` §1.3). */
  readonly refreshToken?: string
  /** Epoch ms. */
  readonly expiresAt: number
  /** The authorization server's name for its session, where an ID token told it (OpenID Connect Back-Channel Logout 1.0 §2.1). */
  readonly sid?: string
}

/** What is remembered of attempts to renew the present tokens. */
export interface RenewalAttempts {
  /** Attempts, one after another, that brought nothing. */
  readonly failures: number
  /** One of them may have reached the server: if the refresh token is refused now, it may be because its successor got lost then. */
  readonly isInDoubt: boolean
  /** The attempt that a gateway makes now. Nobody else makes one until `until`; then its gateway is taken for dead. */
  readonly underWay?: { readonly holder: string, readonly until: number }
}

/** A signed-in end-user in one browser. All times in epoch ms. */
export interface Session {
  readonly ref: SessionRef
  readonly tenantId: TenantId
  readonly appId: AppId
  readonly userName: UserName
  /** The purchase that the session works in, for all its life; absent in one from before purchases could be chosen. */
  readonly instanceId?: InstanceId
  /** As the sign-in found it; a session never gets another one. Absent in one from before this was kept. */
  readonly role?: Role
  /** The directory's newest loss of access that the sign-in knew of; see `decideAccess`. */
  readonly knownLoss: PushVersion | ''
  /** The client that got the tokens: only it can renew them (`login.md` Q22). */
  readonly clientId: string
  readonly tokens: TokenSet
  readonly createdAt: number
  /** The end that no activity moves. */
  readonly endsAt: number
  /** Rounded: written once a minute at most, not per request. */
  readonly lastSeenAt: number
  /** When the tokens are next to be renewed: a while before their end, or a while after an attempt that nobody answered. */
  readonly renewalDueAt: number
  /** Absent while the present tokens were never tried to be renewed. */
  readonly renewalAttempts?: RenewalAttempts
  /** Grows with each write, for compare-and-set. */
  readonly revision: number
}

/** Enough of a session's ref to find its lines in the log and the session in a list. */
export function shortRef (ref: SessionRef): string {
  return ref.slice(0, 8)
}

/** @param id as a cookie holds it, of any form: what isn't an id of ours is the hash of no session */
export function sessionRefOf (id: string): SessionRef {
  return sha256(id) as SessionRef
}
