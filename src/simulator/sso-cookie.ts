import type { FastifyReply, FastifyRequest } from 'fastify'

/** Where an authentication centre answers: at home, and under the address of the changed domain. */
export const centrePaths = ['/as', '/as-moved'] as const

/**
 * One SSO cookie per enterprise, for the places that read it and for no other path: cookies don't know ports, so on a desk the
 * gateway and its application would get it too.
 */
const pathsOf = (code: string): string[] => ['/unified-login', ...centrePaths.map((path) => `${path}/${code}`)]

const nameOf = (code: string): string => `simulator-sso-${code}`

export function readSsoCookie (request: FastifyRequest, code: string): string {
  return request.cookies[nameOf(code)] ?? ''
}

export function setSsoCookie (reply: FastifyReply, code: string, ssoId: string): void {
  for (const path of pathsOf(code)) reply.setCookie(nameOf(code), ssoId, { path, httpOnly: true, sameSite: 'lax' })
}

export function clearSsoCookie (reply: FastifyReply, code: string): void {
  for (const path of pathsOf(code)) reply.clearCookie(nameOf(code), { path, httpOnly: true, sameSite: 'lax' })
}
