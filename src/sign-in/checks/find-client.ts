import { currentBinding, currentTenant } from '../../directory/decide-access.ts'
import { found, passed, refused, type Check } from '../login-attempt.ts'

/** The OAuth client of this tenant and application, as pushed last; never kept over a push (`login.md` §3.1). */
export const findClient: Check = async (attempt) => {
  const view = found(attempt, 'view')
  const tenant = currentTenant(view)
  const binding = currentBinding(view)
  if (tenant === undefined || binding?.clientSecret === undefined) return refused('binding-missing')
  const { clientId, clientSecret } = binding
  return passed({ client: { authorizationServer: tenant.authorizationServer, clientId, clientSecret } })
}
