import { callbackUrl, type SignInSettings } from '../settings.ts'
import { found, passed, refused, type Check } from '../login-attempt.ts'

/** RFC 6749 §4.1.3, at the server of the tenant row chosen for this login and nowhere else (C-5). */
export const exchangeCode: Check = async (attempt, { authorizationServer, settings }) => {
  const redirectUri = redirectUriOf(settings, attempt.held?.flow.kind, found(attempt, 'tenantId'))
  const grant = { code: found(attempt, 'code'), redirectUri, codeVerifier: attempt.held?.flow.codeVerifier }
  const answer = await authorizationServer.exchangeCode(found(attempt, 'client'), grant)
  if (answer.kind === 'tokens') return passed({ tokens: answer.tokens })
  return refused(answer.kind === 'refused' ? 'code-refused' : 'marketplace-unavailable', answer.detail)
}

/** Our own request named its redirect_uri, so the exchange repeats it (RFC 6749 §4.1.3); for the unified page it is a setting. */
function redirectUriOf (settings: SignInSettings, kind: 'unified' | 'authorize' | undefined, tenantId: string): string | undefined {
  const registered = callbackUrl(settings)
  if (kind === 'authorize') return registered
  switch (settings.redirectUri) {
    case 'as-registered': return registered
    case 'with-tenant': return `${registered}?tenant=${encodeURIComponent(tenantId)}`
    case 'omit': return undefined
  }
}
