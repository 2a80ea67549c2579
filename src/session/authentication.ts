import type { Principal } from '../directory/model.ts'
import type { AccessRefusal } from '../directory/refusal.ts'
import type { Session, SessionRef } from './session.ts'

/** Why a request has no usable session. A log line and the sign-in page may say so; access is the same for all: none. */
export type LoginReason = 'no-cookie' | 'cookie-ambiguous' | 'session-unknown' | 'session-idle' | 'session-expired' | 'tokens-ended' | 'role-changed'

/** Who a request comes from, decided anew for each. */
export type Authentication =
  | { readonly kind: 'allow', readonly session: Session, readonly principal: Principal }
  | { readonly kind: 'login', readonly because: LoginReason }
  /** The session is good, the purchase that it worked in is closed, and another is open: the person must choose it. */
  | { readonly kind: 'choose', readonly session: Session }
  /** The session was good, the directory says no: the session has been ended. */
  | { readonly kind: 'refuse', readonly reason: AccessRefusal, readonly isRenewable?: true, readonly ref: SessionRef }
