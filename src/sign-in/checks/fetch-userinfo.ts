import { found, passed, refused, type Check } from '../login-attempt.ts'

/** Who it is, as the tenant's server says. */
export const fetchUserinfo: Check = async (attempt, { authorizationServer }) => {
  const answer = await authorizationServer.fetchUserinfo(found(attempt, 'client'), found(attempt, 'tokens').accessToken)
  switch (answer.kind) {
    case 'userinfo': return passed({ userinfo: answer.userinfo })
    case 'unnamed': return refused('account-unnamed')
    case 'refused': return refused('code-refused', answer.detail)
    case 'unavailable': return refused('marketplace-unavailable', answer.detail)
  }
}

/** A tenant that userinfo names must be the one whose server said so. It never chooses the tenant (`login.md` Q5). */
export const matchTenant: Check = async (attempt) => {
  const { tenantId } = found(attempt, 'userinfo')
  return tenantId === undefined || tenantId === found(attempt, 'tenantId') ? passed() : refused('tenant-mismatch')
}
