import type { BackchannelLogoutOptions } from './backchannel-logout-routes.ts'
import { createFindIssuer, type FindIssuerDeps } from './find-issuer.ts'
import { createKeySets } from './key-sets.ts'
import type { Outbound } from './outbound-fetch.ts'
import { readLogoutToken } from './read-logout-token.ts'

export interface BackchannelLogoutParts extends FindIssuerDeps, Omit<BackchannelLogoutOptions, 'readToken' | 'secret' | 'clock'> {
  readonly outbound: Pick<Outbound, 'fetch'>
  /** `undefined` leaves the OpenID form off. */
  readonly jwksPath: string | undefined
  /** `undefined` leaves the plain form off. */
  readonly secret: BackchannelLogoutOptions['secret'] | undefined
}

/** What the routes need for the forms of back-channel logout that are switched on. */
export function wireBackchannelLogout (parts: BackchannelLogoutParts): BackchannelLogoutOptions {
  const { jwksPath, secret, ...others } = parts
  const findIssuer = createFindIssuer(parts)
  const keysAt = createKeySets(parts)
  return {
    ...others,
    ...(secret !== undefined && { secret }),
    ...(jwksPath !== undefined && { readToken: (token) => readLogoutToken({ findIssuer, keysAt, clock: parts.clock, jwksPath }, token) }),
  }
}
