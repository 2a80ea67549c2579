import { once } from 'node:events'
import { connect } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { requestText, sessionCookie, startGateway, startUpstream } from '../support/forward-gateway.ts'
import { rule } from '../support/path-differential.ts'
import { until } from '../support/signed-in.ts'
import { dial, manualAnswers } from '../support/step-by-step.ts'

/* What is under way for longer than a request should be: who may let others wait, and for how long. */

const minute = 60_000
const lookEvery = 5_000

function holdIntervals (t: Test): { pass: (milliseconds: number) => Promise<void> } {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => { mock.timers.reset() })
  return {
    async pass (milliseconds) {
      for (let passed = 0; passed < milliseconds; passed += lookEvery) {
        mock.timers.tick(lookEvery)
        for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
      }
    },
  }
}

t.test('what is pipelined behind an answer that does not end cannot fill the memory', async (t) => {
  const upstream = await startUpstream(t, (_req, res) => { res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n') })
  const gateway = await startGateway(t, { upstream: upstream.url })
  const client = dial(gateway.port)
  client.write(requestText('/events', { keepAlive: true }))
  await until(() => upstream.seen.length === 1)
  client.write(requestText('/', { keepAlive: true }).repeat(1_000))
  await client.gone
  t.equal(upstream.seen.length, 1, 'and none of them went further')
  const few = connect(gateway.port, '127.0.0.1')
  t.teardown(() => few.destroy())
  few.write(requestText('/events', { keepAlive: true }) + requestText('/', { keepAlive: true }).repeat(60))
  await until(() => upstream.seen.length === 2)
  t.equal(few.destroyed, false, 'a handful is allowed')
})

t.test('T-13 a session that ends while the application thinks, or while a body is sent, ends the request too', async (t) => {
  const time = holdIntervals(t)
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url, logLevel: 'info', routes: [rule({ path: '/open', access: 'public' })] })
  const poll = dial(gateway.port)
  poll.write(requestText('/poll', { keepAlive: true }))
  const [, polled] = await next()
  const upload = dial(gateway.port)
  upload.write(`POST /upload HTTP/1.1\r\nhost: a\r\ncookie: ${sessionCookie}\r\ncontent-length: 16\r\n\r\nA`)
  const [uploaded, stored] = await next()
  uploaded.on('error', () => {})
  const open = dial(gateway.port)
  open.write(requestText('/open', { keepAlive: true }))
  const [, opened] = await next()
  const ends = Promise.all([once(polled, 'close'), once(stored, 'close')])

  gateway.sessions.clear()
  await time.pass(lookEvery)
  await ends
  await poll.until('turned-away')
  t.match(poll.received, /^HTTP\/1\.1 401 /)
  poll.write(requestText('/next'))
  await poll.gone
  t.equal(poll.received.match(/HTTP\/1\.1 401 /g)?.length, 2, 'the connection goes on, the session does not')
  await upload.gone
  t.match(upload.received, /^HTTP\/1\.1 401 [^]*connection: close\r\n/i)
  t.equal(uploaded.complete, false, 'the application never had all of it')
  t.equal(gateway.warnings.filter((line) => line.includes('"forward.stream-ended"')).length, 2)

  opened.end('for everybody')
  await open.until('for everybody')
})

t.test('a client that keeps the application waiting is given up after a minute: the rest of a body', async (t) => {
  const time = holdIntervals(t)
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url, routes: [rule({ path: '/open', access: 'public' })] })
  const begin = async (path: string) => {
    const client = dial(gateway.port)
    client.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncookie: ${sessionCookie}\r\ncontent-length: 1000000\r\n\r\n`)
    client.write('A')
    const [request, response] = await next()
    return { client, request: request.on('data', () => {}).on('error', () => {}), response }
  }
  const [dripping, stalled, slow, early] = [await begin('/open'), await begin('/a'), await begin('/a'), await begin('/a')]
  early.response.write('I know enough; ')
  await early.client.until('enough')
  for (let passed = 0; passed < minute; passed += lookEvery) {
    dripping.client.write('A')
    slow.client.write('A'.repeat(200))
    await until(() => slow.request.listenerCount('data') > 0)
    await time.pass(lookEvery)
  }
  await time.pass(lookEvery)
  for (const { client, request } of [dripping, stalled]) {
    await client.gone
    t.match(client.received, /^HTTP\/1\.1 408 [^]*connection: close\r\n[^]*GW_REQUEST_STALLED/i)
    t.equal(request.complete, false)
    await until(() => request.destroyed)
  }
  slow.response.end('taken')
  await slow.client.until('taken')
  early.response.end('over')
  await early.client.until('over')
})

t.test('the same for one who does not read, and not for one whose application is slow', async (t) => {
  const time = holdIntervals(t)
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url, logLevel: 'info' })
  const deaf = connect(gateway.port, '127.0.0.1').on('error', () => {})
  deaf.pause()
  deaf.write(requestText('/big', { keepAlive: true }))
  const [, big] = await next()
  const block = Buffer.alloc(1 << 20)
  const fill = (): void => { while (!big.destroyed && big.write(block)); }
  big.on('drain', fill)
  fill()
  const slow = dial(gateway.port)
  slow.write(requestText('/slow', { keepAlive: true }))
  const [, late] = await next()
  late.write('first ')
  const gone = once(big, 'close')
  // Whatever the kernel takes is taken when nothing moves any more.
  await until(() => big.writableNeedDrain)
  await time.pass(3 * minute)
  await gone
  t.equal(gateway.warnings.filter((line) => line.includes('"forward.client-stalled"')).length, 1)
  late.end('last')
  await slow.until('last')
  deaf.destroy()
})
