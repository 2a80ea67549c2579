/** Headers that tell the upstream who is there, if nothing else is configured. Only the gateway may set them (C-36). */
export const identityHeaders = {
  tenant: 'x-identity-tenant',
  user: 'x-identity-user',
  name: 'x-identity-name',
  role: 'x-identity-role',
  department: 'x-identity-department',
  instance: 'x-identity-instance',
  access: 'x-identity-access',
  assertion: 'x-identity-assertion',
} as const

/** The session's access token, where a route asks for it. */
export const accessTokenHeader = 'x-identity-access-token'

/** Under which names a gateway tells who is there: the configured ones. */
export type IdentityHeaderNames = Readonly<Record<keyof typeof identityHeaders | 'accessToken', string>>

/** Hop-by-hop by RFC 9110 §7.6.1 and by long practice: about one connection, never forwarded in either direction. */
export const hopByHopHeaders: ReadonlySet<string> = new Set([
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
])

/**
 * The spelling under which CGI, WSGI and PHP would see a header: lower case, everything but letters and digits a dash. Two names
 * with the same fold are one header to some upstream, so a client may send neither (T-06).
 */
export function foldHeaderName (name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}
