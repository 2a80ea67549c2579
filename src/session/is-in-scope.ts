import type { Session } from './session.ts'
import type { SessionScope } from './session-store.ts'

/** Whether the session is one of the scope's; an index is trusted to find it, not to be right. */
export function isInScope (session: Session, scope: SessionScope): boolean {
  switch (scope.kind) {
    case 'all': return true
    case 'tenant': return session.tenantId === scope.tenantId
    case 'user': return session.tenantId === scope.tenantId && session.appId === scope.appId && session.userName === scope.userName
  }
}
