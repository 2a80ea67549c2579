import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import type { JWK } from 'jose'
import type { SigningKeys } from './signing-keys.ts'

/**
 * The public keys of the identity assertion, for the upstream to verify it with, and all of former times, for receipts. The same for
 * everybody, so any cache may keep them. Register it with Fastify's `prefix`.
 */
export const jwksRoutes: FastifyPluginAsync<{ keys: Pick<SigningKeys, 'jwks' | 'historicalJwks'> }> = async function jwksRoutes (app, { keys }) {
  app.get('/jwks.json', async (_request, reply) => sendKeys(reply, keys.jwks()))
  app.get('/historical-jwks.json', async (_request, reply) => sendKeys(reply, keys.historicalJwks()))
}

/** How long it may be kept is part of how long before its use a key is published (`judge-signing-keys.ts`). */
function sendKeys (reply: FastifyReply, keys: { readonly keys: readonly JWK[] }): FastifyReply {
  return reply.header('cache-control', 'public, max-age=300').type('application/jwk-set+json').send(JSON.stringify(keys))
}
