import { connect, type Socket } from 'node:net'
import t from 'tap'
import type { SessionRef } from '../../src/session/session.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import { requestText, startGateway, startUpstream } from '../support/forward-gateway.ts'
import { until } from '../support/signed-in.ts'

t.test('C-27 who doesn\'t read why the session has ended loses the connection all the same', async (t) => {
  // Blank lines: wherever they stop, no event is half told.
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('\n'.repeat(32 * 1_048_576))
  })
  const changes = createChangeFeed()
  const gateway = await startGateway(t, { upstream: upstream.url, changes, logLevel: 'info' })
  const served: Socket[] = []
  gateway.app.server.on('connection', (socket: Socket) => { served.push(socket) })
  const client = connect(gateway.port, '127.0.0.1').pause()
  t.teardown(() => { client.destroy() })
  client.write(requestText('/events'))
  const isFull = async (): Promise<boolean> => {
    const before = served[0]?.bytesWritten
    await new Promise((resolve) => { setTimeout(resolve, 300) })
    return (served[0]?.writableLength ?? 0) > 0 && served[0]?.bytesWritten === before
  }
  await until(isFull)
  gateway.sessions.clear()
  const endedAt = performance.now()
  changes.tell({ kind: 'session', ref: 'good' as SessionRef })
  await until(() => gateway.warnings.join('').includes('forward.stream-ended'))
  t.equal(served[0]?.destroyed, false, 'for a moment there is somebody to tell')
  await until(() => served[0]?.destroyed === true, 5_000)
  t.ok(performance.now() - endedAt < 3_000, 'and not for longer')
})
