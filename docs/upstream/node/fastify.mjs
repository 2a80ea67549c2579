// A sample application with Fastify.
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { identityHook } from './gateway-identity.mjs'

const { GATEWAY_ISSUER: issuer, GATEWAY_AUDIENCE: audience, GATEWAY_JWKS_URL: jwksUrl, CLOCK_FILE, PORT = '3000' } = process.env
// Only for tests: the time stands in a file.
const now = CLOCK_FILE === undefined ? undefined : () => Number(readFileSync(CLOCK_FILE, 'utf8'))

const app = Fastify()
app.decorateRequest('identity', null)
app.addHook('onRequest', identityHook({ issuer, audience, jwksUrl, now }))
app.get('/', async ({ identity, headers }) => {
  const plain = Object.keys(headers).filter((name) => name.startsWith('x-identity-') && name !== 'x-identity-assertion')
  return { ...identity, plain }
})
await app.listen({ host: '127.0.0.1', port: Number(PORT) })
console.log(`listening on ${app.server.address().port}`)
