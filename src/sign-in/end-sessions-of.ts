import type { AppId, TenantId, UserName } from '../directory/model.ts'
import type { SessionStore } from '../session/session-store.ts'

export interface LoggedOut {
  readonly tenantId: TenantId
  readonly appId: AppId
  /** All of the tenant's if absent, as far as `sid` agrees. */
  readonly userName?: UserName
  /** The authorization server's session. Of an account the sessions that know no `sid` go too; without an account they stay. */
  readonly sid?: string
}

/**
 * Ends the sessions that an authorization server says are over. None left to end is as good. If the store fails in between, all of it may
 * be done again.
 *
 * @returns how many ended
 */
export async function endSessionsOf (
  sessions: Pick<SessionStore, 'list' | 'end'>, loggedOut: readonly LoggedOut[],
): Promise<number> {
  const refs = []
  for (const { tenantId, appId, userName, sid } of loggedOut) {
    const scope = userName === undefined ? { kind: 'tenant', tenantId } as const : { kind: 'user', tenantId, appId, userName } as const
    for await (const { ref, appId: ofApp, tokens } of sessions.list(scope)) {
      const isMeant = sid === undefined || tokens.sid === sid || (tokens.sid === undefined && userName !== undefined)
      if (isMeant && ofApp === appId) refs.push(ref)
    }
  }
  let ended = 0
  for (const ref of refs) if (await sessions.end(ref)) ended++
  return ended
}
