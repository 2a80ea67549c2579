// A sample application. `requireIdentity` has Express's signature, so this runs without Express: with it, three lines do the same:
//   const app = express()
//   app.use(requireIdentity({ issuer, audience }))
//   app.get('/', (req, res) => res.json(req.identity))
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { requireIdentity } from './gateway-identity.mjs'

const { GATEWAY_ISSUER: issuer, GATEWAY_AUDIENCE: audience, GATEWAY_JWKS_URL: jwksUrl, CLOCK_FILE, PORT = '3000' } = process.env
// Only for tests: the time stands in a file.
const now = CLOCK_FILE === undefined ? undefined : () => Number(readFileSync(CLOCK_FILE, 'utf8'))
const identity = requireIdentity({ issuer, audience, jwksUrl, now })

const server = createServer((req, res) => {
  identity(req, res, (error) => {
    if (error !== undefined) return res.writeHead(500).end()
    const plain = Object.keys(req.headers).filter((name) => name.startsWith('x-identity-') && name !== 'x-identity-assertion')
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ...req.identity, plain }))
  })
})
server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${server.address().port}`))
