import { startAuthorizeLogin } from '../start-login.ts'
import { found, passed, type Check } from '../login-attempt.ts'

/**
 * A login that this browser did not start (RFC 9700 §4.7). Where so configured, the code is dropped unused and our own request
 * with `state` goes to the tenant's server, which knows the person already. Otherwise the login goes on to the confirm page.
 */
export const restartStateless: Check = async (attempt, deps) => {
  if (attempt.held !== undefined || deps.settings.statelessCallback === 'confirm') return passed()
  const started = await startAuthorizeLogin(deps, {
    returnTo: '/', cookieHeader: attempt.cookieHeader, tenantId: found(attempt, 'tenantId'), client: found(attempt, 'client'),
  })
  return { kind: 'restart', started }
}
