/**
 * Every "no" to a known request, one literal each. The page, the XHR body, the log line and the tests share it, so that a support
 * engineer who reads one finds the others.
 */
export const refusalReasons = [
  // the directory says no
  'tenant-unknown', 'tenant-closed', 'binding-missing', 'account-not-authorised', 'account-disabled', 'authorisation-withdrawn',
  // the contract says no
  'instance-not-ready', 'instance-expired', 'instance-frozen', 'instance-released', 'choice-needed',
  // the login says no
  'callback-malformed', 'authorization-denied', 'flow-unknown', 'flow-expired', 'tenant-mismatch', 'code-refused', 'code-reused',
  'account-unnamed', 'marketplace-unavailable', 'login-loop', 'confirmation-expired',
  // the request says no
  'cross-site-request', 'session-missing', 'role-missing', 'too-many-requests',
] as const

export type RefusalReason = (typeof refusalReasons)[number]

/** The part that `decideAccess` may answer. */
export type AccessRefusal = Extract<RefusalReason,
  'tenant-unknown' | 'tenant-closed' | 'binding-missing' | 'account-not-authorised' | 'account-disabled' | 'authorisation-withdrawn' |
  'instance-not-ready' | 'instance-expired' | 'instance-frozen' | 'instance-released' | 'choice-needed'>

/** The HTTP status that goes with a reason, the same for pages and problem bodies. */
export function statusOf (reason: RefusalReason): 400 | 401 | 403 | 429 | 503 {
  switch (reason) {
    case 'callback-malformed': return 400
    case 'session-missing': return 401
    case 'too-many-requests': return 429
    case 'marketplace-unavailable': case 'instance-not-ready': return 503
    case 'tenant-unknown': case 'tenant-closed': case 'binding-missing': case 'account-not-authorised': case 'account-disabled':
    case 'authorisation-withdrawn': case 'authorization-denied': case 'flow-unknown': case 'flow-expired': case 'tenant-mismatch':
    case 'code-refused': case 'code-reused': case 'account-unnamed': case 'login-loop': case 'instance-expired':
    case 'instance-frozen': case 'instance-released': case 'choice-needed': case 'confirmation-expired':
    case 'cross-site-request': case 'role-missing': return 403
  }
}
