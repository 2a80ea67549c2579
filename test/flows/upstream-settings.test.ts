import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { openTestGateway } from '../support/build-gateway.ts'
import { until } from '../support/signed-in.ts'

const pem = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8')

/** Answers with its name, over TLS, and only those who show a certificate of the same authority. */
async function startServer (t: Test, name: string) {
  const told = { url: '', health: 200, checkedAt: [] as number[], held: undefined as ServerResponse | undefined }
  const options = { cert: pem('localhost'), key: pem('server-key'), ca: pem('authority'), requestCert: true, rejectUnauthorized: true }
  const server = createServer(options, (request, response) => {
    if (request.url === '/healthz?full') {
      told.checkedAt.push(performance.now())
      response.statusCode = told.health
    }
    if (request.url === '/moved') response.writeHead(302, { location: `${told.url}/new` })
    if (request.url === '/held') {
      told.held = response
      response.write(name)
    } else response.end(name)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  told.url = `https://localhost:${(server.address() as AddressInfo).port}`
  return told
}

t.test('each setting of the upstreams holds in the whole gateway', async (t) => {
  const [a, b] = [await startServer(t, 'A'), await startServer(t, 'B')]
  const gateway = await openTestGateway(t, {
    env: {
      JOINTGATE_UPSTREAM: `${a.url},${b.url}`,
      JOINTGATE_ROUTES: '[{ path: /, access: public }]',
      JOINTGATE_UPSTREAM_BALANCE: 'least-connections',
      JOINTGATE_UPSTREAM_HEALTH_PATH: '/healthz?full',
      JOINTGATE_UPSTREAM_HEALTH_INTERVAL_SECONDS: '1',
      JOINTGATE_UPSTREAM_SLOW_START_SECONDS: '100',
      JOINTGATE_UPSTREAM_REWRITE_LOCATION: 'false',
      JOINTGATE_UPSTREAM_CA: pem('authority'),
      JOINTGATE_UPSTREAM_CERTIFICATE: pem('localhost'),
      JOINTGATE_UPSTREAM_KEY: pem('server-key'),
    },
  })
  const browser = gateway.browser()
  async function whoAnswers (count: number): Promise<string> {
    let names = ''
    for (let index = 0; index < count; index++) {
      const { status, body } = await browser.fetch('/')
      names += status === 200 ? body : `(${status})`
    }
    return names
  }
  const hasSaid = (event: string): boolean => gateway.logLines.some((line) => line.includes(`"event":"upstream.${event}"`))

  t.match(await whoAnswers(4), /^(AB){2}$|^(BA){2}$/, 'both, by the authority and the certificate that were set')
  const { status, location } = await browser.open('/moved')
  t.same({ status, isAsItWas: [`${a.url}/new`, `${b.url}/new`].includes(location) }, { status: 302, isAsItWas: true })

  const held = fetch(`${gateway.url}/held`).then((answer) => answer.text())
  await until(() => a.held !== undefined || b.held !== undefined)
  t.equal(await whoAnswers(4), a.held === undefined ? 'AAAA' : 'BBBB', 'the one with the fewest requests under way')
  a.held?.end()
  b.held?.end()
  await held

  a.health = 500
  await until(() => hasSaid('server-out'), 8_000)
  t.equal(await whoAnswers(4), 'BBBB', 'out after three bad checks, a second apart')
  const gaps = a.checkedAt.slice(1).map((time, index) => Math.round(time - (a.checkedAt[index] ?? 0)))
  t.ok(gaps.every((gap) => gap > 900), gaps.join())
  a.health = 200
  await until(() => hasSaid('server-back'), 8_000)
  gateway.clock.advance(99_000)
  t.equal(await whoAnswers(4), 'BBBB', 'whose share is not whole yet carries less')
  gateway.clock.advance(1_000)
  t.match(await whoAnswers(4), /^(AB){2}$|^(BA){2}$/)
})
