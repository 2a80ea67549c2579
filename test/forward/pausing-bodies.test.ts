import { once } from 'node:events'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import t from 'tap'
import { Pool } from 'undici'
import { sessionCookie, startGateway, startUpstream } from '../support/forward-gateway.ts'
import { until } from '../support/signed-in.ts'

/** undici's own timer, whose ticks it counts, whatever the time is. */
const tickMs = 499

t.test('the body of an answer may pause for longer than undici lets it by default', { timeout: 20_000 }, async (t) => {
  const realSetTimeout = globalThis.setTimeout
  const quick = (run: () => void, ms?: number, ...values: []) => realSetTimeout(run, ms === tickMs ? 1 : ms, ...values)
  globalThis.setTimeout = quick as typeof setTimeout
  t.teardown(() => { globalThis.setTimeout = realSetTimeout })
  const pausing: ServerResponse[] = []
  const upstream = await startUpstream(t, (_request, response) => {
    pausing.push(response)
    response.write('first ')
  })
  const gateway = await startGateway(t, { upstream: upstream.url, upstreamTimeoutSeconds: 3_600 })
  const asked = get({ host: '127.0.0.1', port: gateway.port, path: '/events', headers: { cookie: sessionCookie }, agent: false })
  const [answer] = await once(asked, 'response') as [IncomingMessage]
  const over = new Promise((resolve) => { answer.once('close', resolve) })
  let text = ''
  answer.on('error', () => {}).on('data', (chunk: Buffer) => { text += chunk.toString() })
  await until(() => text !== '')

  const impatient = new Pool(upstream.url)
  t.teardown(() => impatient.destroy())
  const { body } = await impatient.request({ method: 'GET', path: '/' })
  await t.rejects(body.text(), { code: 'UND_ERR_BODY_TIMEOUT' })

  for (const response of pausing) response.end('last')
  await over
  t.strictSame([text, answer.complete], ['first last', true])
})
