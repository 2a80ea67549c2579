import { startAuthorizeLogin } from '../start-login.ts'
import { found, passed, type Check } from '../login-attempt.ts'

/**
 * A code without our own `state`, with a login begun here or not (RFC 9700 §4.7). Where so configured it is dropped unused, and our own
 * request goes to the tenant's server, which knows the person already.
 *
 * Nobody says whether that server does its part (`login.md` §1.2), so it is tried once in a browser: while an earlier request of ours
 * has not come back, the login goes on to the question instead. So there is no circle, and nobody is locked out.
 */
export const restartStateless: Check = async (attempt, deps) => {
  const { held, heldFlows = [], cookieHeader } = attempt
  if (deps.settings.statelessCallback !== 'restart' || held?.flow.kind === 'authorize') return passed()
  const tenantId = found(attempt, 'tenantId')
  const lostRestart = heldFlows.find(({ flow }) => flow?.kind === 'authorize' && flow.tenantId === tenantId)?.flow
  if (lostRestart !== undefined) return passed({ lostRestart })
  const started = await startAuthorizeLogin(deps, {
    returnTo: held?.flow.returnTo ?? '/', cookieHeader, tenantId, client: found(attempt, 'client'),
  })
  if (held === undefined) return { kind: 'restart', started }
  await deps.flows.consumeFlow(held.flow.ref)
  return { kind: 'restart', started: { ...started, spentCookies: [...new Set([...started.spentCookies, held.cookieName])] } }
}
