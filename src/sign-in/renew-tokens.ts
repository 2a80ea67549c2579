import { currentTenant } from '../directory/decide-access.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { RenewalAnswer } from '../session/renewal-attempt.ts'
import type { Session, TokenSet } from '../session/session.ts'
import { toRenewalAnswer, type AuthorizationServer, type Client } from './authorization-server.ts'

export interface RenewTokensDeps {
  readonly directory: Pick<DirectoryStore, 'viewTenant'>
  readonly authorizationServer: Pick<AuthorizationServer, 'refresh' | 'fetchUserinfo'>
}

/** Asks the tenant's server for new tokens, as the client that got the old ones (`login.md` §1.4, Q22). */
export async function renewTokens ({ directory, authorizationServer }: RenewTokensDeps, session: Session): Promise<RenewalAnswer> {
  const { refreshToken } = session.tokens
  const client = await findClientOf(directory, session)
  if (refreshToken === undefined || client === undefined) return { kind: 'refused' }
  return toRenewalAnswer(await authorizationServer.refresh(client, refreshToken), session.tokens)
}

/**
 * Asks who it is, with the token just got: a person switched off at the marketplace whose push never came is found at the next
 * renewal (`login.md` Q13). Only a clear answer counts; silence doesn't end a session.
 */
export async function isStillKnown (deps: RenewTokensDeps, session: Session, tokens: TokenSet): Promise<boolean> {
  const { directory, authorizationServer } = deps
  const client = await findClientOf(directory, session)
  if (client === undefined) return false
  const answer = await authorizationServer.fetchUserinfo(client, tokens.accessToken)
  if (answer.kind !== 'userinfo') return answer.kind !== 'refused'
  const { userName, tenantId } = answer.userinfo
  return userName === session.userName && (tenantId === undefined || tenantId === session.tenantId)
}

async function findClientOf (directory: RenewTokensDeps['directory'], session: Session): Promise<Client | undefined> {
  const view = await directory.viewTenant('production', session.tenantId, session.appId)
  const tenant = currentTenant(view)
  const binding = view.bindings.find(({ clientId, isDeleted }) => clientId === session.clientId && !isDeleted)
  if (tenant === undefined || binding?.clientSecret === undefined) return undefined
  return { authorizationServer: tenant.authorizationServer, clientId: binding.clientId, clientSecret: binding.clientSecret }
}
