import type { IdentityHeaderNames } from '../base/header-names.ts'
import type { Config } from './load-config.ts'

/** The configured names of the headers that tell the application who is there. */
export function identityNamesOf ({ identity }: Pick<Config, 'identity'>): IdentityHeaderNames {
  return {
    tenant: identity.tenantHeader,
    user: identity.userHeader,
    name: identity.nameHeader,
    role: identity.roleHeader,
    department: identity.departmentHeader,
    instance: identity.instanceHeader,
    access: identity.accessHeader,
    assertion: identity.assertionHeader,
    accessToken: identity.accessTokenHeader,
  }
}
