import { currentTenant } from '../directory/decide-access.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import { cookieNames, cookieValues } from '../session/cookies.ts'
import type { LoginFlowStore } from '../session/login-flow.ts'
import { sessionRefOf, type Session } from '../session/session.ts'
import type { SessionStore } from '../session/session-store.ts'
import { endSessions } from '../session/start-session.ts'
import { flowRefOf } from './flow-cookies.ts'
import type { SignInSettings } from './settings.ts'

export interface SignOutDeps {
  readonly sessions: Pick<SessionStore, 'find' | 'end'>
  readonly flows: Pick<LoginFlowStore, 'consumeConfirmation'>
  readonly directory: Pick<DirectoryStore, 'viewTenant'>
  readonly settings: SignInSettings
}

/** Our own page at the end of every sign-out; also the fixed target of the tenant's logout (`login.md` Q16). */
export function signedOutUrl ({ publicUrl, ownPrefix }: SignInSettings): string {
  return `${publicUrl.origin}${ownPrefix}/signed-out`
}

/**
 * Ends the session here, tokens included, with any question that was left open, and only then says where the browser goes
 * to end it at the marketplace too. Nothing is asked of the authorization server, so a dead one delays nothing (C-52, T-30).
 *
 * @returns the tenant's logout address, which finds its session by the browser's own cookie (`login.md` §5.1), or our signed-out page
 */
export async function signOut (deps: SignOutDeps, cookieHeader: string | undefined): Promise<string> {
  const session = await findHeldSession(deps, cookieHeader)
  await endSessions(deps, cookieHeader)
  for (const question of ['confirmation', 'choice'] as const) {
    for (const secret of cookieValues(cookieHeader, cookieNames[question])) await deps.flows.consumeConfirmation(flowRefOf(secret))
  }
  return await locationAfter(deps, session)
}

/** Where a sign-out leads in the end. */
export async function logoutLocation (deps: SignOutDeps, cookieHeader: string | undefined): Promise<string> {
  return await locationAfter(deps, await findHeldSession(deps, cookieHeader))
}

async function findHeldSession ({ sessions }: SignOutDeps, cookieHeader: string | undefined): Promise<Session | undefined> {
  const [id] = cookieValues(cookieHeader, cookieNames.session)
  return id === undefined ? undefined : await sessions.find(sessionRefOf(id))
}

async function locationAfter ({ directory, settings }: SignOutDeps, session: Session | undefined): Promise<string> {
  if (session === undefined) return signedOutUrl(settings)
  const tenant = currentTenant(await directory.viewTenant('production', session.tenantId, session.appId))
  if (tenant === undefined) return signedOutUrl(settings)
  return `${tenant.authorizationServer}/api/v1/logout?redirect_url=${encodeURIComponent(signedOutUrl(settings))}`
}
