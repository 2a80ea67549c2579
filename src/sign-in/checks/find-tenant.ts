import { currentTenant } from '../../directory/decide-access.ts'
import { found, passed, refused, type Check } from '../login-attempt.ts'

/**
 * The tenant of the login, known by a signed push. An unknown one causes no outgoing call (T-43), and where our own request named
 * the tenant, the callback may name no other.
 */
export const findTenant: Check = async (attempt, { directory, settings }) => {
  const asked = attempt.held?.flow.tenantId
  const tenantId = asked ?? attempt.claimedTenantId
  if (tenantId === undefined) return refused('callback-malformed')
  if (attempt.claimedTenantId !== undefined && attempt.claimedTenantId !== tenantId) return refused('tenant-mismatch')
  const view = await directory.viewTenant('production', tenantId, settings.appId)
  if (view.tenants.length === 0) return refused('tenant-unknown')
  return currentTenant(view) === undefined ? refused('tenant-closed') : passed({ tenantId, view })
}

/** RFC 9207 §2.4: an `iss` that comes must be the server that this login is about. */
export const matchIssuer: Check = async (attempt) => {
  const server = currentTenant(found(attempt, 'view'))?.authorizationServer
  return attempt.issuer === undefined || attempt.issuer === server ? passed() : refused('tenant-mismatch')
}
