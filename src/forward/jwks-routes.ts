import type { FastifyPluginAsync } from 'fastify'
import type { JSONWebKeySet } from 'jose'

/**
 * The public keys of the identity assertion, for the upstream to verify it with. The same for everybody, so any cache may keep them.
 * Register it with Fastify's `prefix`.
 */
export const jwksRoutes: FastifyPluginAsync<{ jwks: JSONWebKeySet }> = async function jwksRoutes (app, { jwks }) {
  const body = JSON.stringify(jwks)
  app.get('/jwks.json', async (_request, reply) => {
    return reply.header('cache-control', 'public, max-age=300').type('application/jwk-set+json').send(body)
  })
}
