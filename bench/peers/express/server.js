// Express, express-openid-connect (session in an encrypted cookie) and http-proxy-3, as their READMEs wire them.
import { Agent } from 'node:http'
import express from 'express'
import oidc from 'express-openid-connect'
import { createProxyServer } from 'http-proxy-3'

const [port, upstream, issuer] = process.argv.slice(2)
const app = express()
app.use(oidc.auth({
  issuerBaseURL: issuer,
  baseURL: `http://127.0.0.1:${port}`,
  clientID: process.env.CLIENT_ID,
  clientSecret: process.env.CLIENT_SECRET,
  clientAuthMethod: 'client_secret_post',
  secret: 'a-secret-of-the-benchmark-alone-0123456789',
  authorizationParams: { response_type: 'code', scope: 'openid' },
  authRequired: true,
  session: { cookie: { secure: false } },
  routes: { callback: '/_gate/callback' },
}))
const proxy = createProxyServer({ target: upstream, agent: new Agent({ keepAlive: true }) })
app.use((request, response) => {
  request.headers['x-identity-user'] = request.oidc.user.sub
  proxy.web(request, response, {}, () => { response.status(502).end() })
})
app.listen(Number(port), '127.0.0.1')
