import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { Agent, request } from 'undici'
import t, { type Test } from 'tap'
import { TlsServer } from '../../src/forward/tls-server.ts'
import type { SessionRef } from '../../src/session/session.ts'
import { createChangeFeed } from '../../src/session/store-changes.ts'
import { sessionCookie, startGateway, startUpstream, type GatewayChoices } from '../support/forward-gateway.ts'
import { answerOf, ask, authority, openHttp2, tls } from '../support/http2-client.ts'
import { flags, frame, frameTypes, headerBlock, requestHead, talkHttp2 } from '../support/http2-frames.ts'
import { until } from '../support/signed-in.ts'
import { dialWebSocket, openLiveUpstream } from '../support/web-socket.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function open (t: Test, answer?: Answer, choices: Partial<GatewayChoices> = {}) {
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url, tls, ...choices })
  return { ...gateway, upstream, http2: openHttp2(t, gateway.port) }
}

const ofAlice = { ':authority': 'app.example.com', cookie: sessionCookie }

t.test('clients of both protocols are served on one port, by their own choice', async (t) => {
  const { port, upstream } = await open(t)
  const url = `https://localhost:${port}/a`
  for (const allowH2 of [true, false]) {
    const agent = new Agent({ allowH2, connect: { ca: authority } })
    t.teardown(() => agent.destroy())
    const { statusCode, body } = await request(url, { dispatcher: agent, method: 'POST', body: 'body', headers: { cookie: sessionCookie } })
    t.strictSame([statusCode, await body.text(), upstream.seen.at(-1)?.body], [200, 'hello', 'body'], allowH2 ? 'undici h2' : 'undici')
  }
  for (const [version, seen] of [['--http2', '2'], ['--http1.1', '1.1'], ['--http1.0', '1.1'], ['--no-alpn', '1.1']] as const) {
    const { stdout } = await promisify(execFile)('curl', ['-sk', version, '-d', 'x=1', '-H', `cookie: ${sessionCookie}`, '-w', ' %{http_code} %{http_version}', url])
    t.equal(stdout, `hello 200 ${seen}`, version)
    t.equal(upstream.seen.at(-1)?.body, 'x=1')
  }
  await t.rejects(promisify(execFile)('curl', ['-sk', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', url]), 'no TLS 1.1')
})

t.test('a WebSocket over TLS is one of HTTP/1.1', async (t) => {
  const upstream = await openLiveUpstream(t)
  const { port } = await startGateway(t, { upstream: new URL(upstream.url), tls })
  const socket = await dialWebSocket(`https://localhost:${port}`, { cookie: sessionCookie, origin: 'https://app.example.com' })
  t.equal(socket.status, 101)
  socket.send('x'.repeat(100_000))
  t.equal((await socket.next()).payload.length, 100_000)
  socket.socket.destroy()
})

t.test('C-42 T-24 heads have an end, resets and CONTINUATION frames by the hundred end the connection alone', async (t) => {
  const { http2, port, upstream } = await open(t)
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_none, index) => [`x-${index}`, '1']))
  t.equal((await ask(http2, { ':path': '/a', ...many(190) })).status, 200)
  t.equal((await ask(http2, { ':path': '/a', ...many(201) })).status, 431)
  t.equal((await ask(http2, { ':path': '/a', 'x-long': 'x'.repeat(16_384) })).status, 431)
  t.equal((await ask(http2, { ':path': '/a', cookie: [sessionCookie, ...Array.from({ length: 180 }, (_none, index) => `c${index}=1`)] as never })).status, 200, 'cookies one by one')
  t.equal((await ask(http2, { ':path': '/a', ...many(600) })).status, 0)
  const before = upstream.seen.length
  const isEnd = ({ type }: { type: number }): boolean => type === frameTypes.goAway
  const field = headerBlock([['x-a', 'b']])
  const flood = [frame(frameTypes.headers, flags.endStream, 1, requestHead('/a')), ...Array.from({ length: 500 }, () => frame(frameTypes.continuation, flags.none, 1, field))]
  t.ok((await talkHttp2(port, flood, isEnd)).every(({ stream }) => stream === 0), 'CONTINUATION (CVE-2024-27983)')
  t.equal(upstream.seen.length, before)
  const resets = Array.from({ length: 3_000 }, (_none, index) => [
    frame(frameTypes.headers, flags.endHeaders | flags.endStream, 2 * index + 1, requestHead('/a')),
    frame(frameTypes.resetStream, 0, 2 * index + 1, Buffer.of(0, 0, 0, 8)),
  ]).flat()
  t.equal((await talkHttp2(port, resets, isEnd)).at(-1)?.type, frameTypes.goAway, 'rapid reset (CVE-2023-44487)')
  t.match(http2.remoteSettings, { maxConcurrentStreams: 128, enablePush: false })
  t.equal((await ask(http2, { ':path': '/a' })).status, 200, 'others notice nothing')
})

async function breakOffUnread (t: Test, path: string): Promise<void> {
  let isClosed = false
  const arrived = new Promise<IncomingMessage>((resolve) => {
    const server = new TlsServer({}, tls, (request, response) => {
      response.once('close', () => { isClosed = true })
      if (request.url === '/begun') request.once('data', () => request.pause())
      resolve(request)
    }).listen(0)
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const head = frame(frameTypes.headers, flags.endHeaders, 1, requestHead(path))
    const reset = frame(frameTypes.resetStream, 0, 1, Buffer.alloc(4))
    const body = Array.from({ length: 12 }, () => frame(frameTypes.data, flags.none, 1, Buffer.alloc(16_384)))
    void talkHttp2((server.address() as AddressInfo).port, [head, ...body, reset], () => false)
  })
  const request = await arrived
  if (!request.aborted) await once(request, 'aborted')
  await until(() => isClosed)
  await t.rejects(request.toArray())
}

t.test('T-24 a body that breaks off is no whole one, however much of it was read', async (t) => {
  await breakOffUnread(t, '/unread')
  await breakOffUnread(t, '/begun')
})

t.test('each stream waits for its own reader, in both directions', async (t) => {
  const sent = { bytes: 0 }
  const { http2, upstream } = await open(t, (request, response) => {
    if (request.url === '/upload') return undefined
    if (request.url !== '/endless') return response.end('ok')
    const write = (): void => {
      while (response.write('x'.repeat(65_536))) sent.bytes += 65_536
      sent.bytes += 65_536
    }
    response.on('drain', write)
    return write()
  })
  const slow = http2.request({ ...ofAlice, ':path': '/endless' })
  await once(slow, 'response')
  const upload = http2.request({ ...ofAlice, ':path': '/upload', ':method': 'POST' })
  upload.on('error', () => {})
  let taken = 0
  const push = (error?: Error | null): void => {
    if (error != null) return
    taken += 65_536
    upload.write(Buffer.alloc(65_536), push)
  }
  push()
  await until(() => upstream.seen.length === 2)
  let last = -1
  // Both have come to rest when two looks see the same, with a request in between.
  while (last !== sent.bytes + taken) {
    last = sent.bytes + taken
    for (let count = 0; count < 20; count++) t.equal((await ask(http2, { ':path': '/ok' })).body, 'ok')
  }
  t.ok(last < 16_000_000, `${last} bytes of both are on their way`)
  slow.close()
  upload.close()
})

t.test('nobody sends a body for nothing, with Expect: 100-continue or without', async (t) => {
  const { http2, upstream } = await open(t, (request, response) => {
    if (request.url === '/early') return response.end('early')
    return request.on('data', (chunk: Buffer) => { upstream.seen.at(-1)!.body += chunk.toString() }).on('end', () => response.end('hello'))
  })
  const expecting = async (cookie: string) => {
    const stream = http2.request({ ...ofAlice, cookie, ':path': '/a', ':method': 'POST', expect: '100-continue' })
    let isAsked = false
    stream.on('continue', () => {
      isAsked = true
      stream.end('body')
    })
    const { status } = await answerOf(stream)
    return [isAsked, status]
  }
  t.strictSame(await expecting(sessionCookie), [true, 200])
  t.equal(upstream.seen[0]?.body, 'body')
  t.strictSame(await expecting('a=1'), [false, 401])
  t.equal((await ask(http2, { ':path': '/a', expect: 'the-impossible' })).status, 417)
  const long = await ask(http2, { ':path': '/a', ':method': 'POST', cookie: '' }, 'x'.repeat(2_000_000))
  t.match(await ask(http2, { ':path': '/early', ':method': 'POST' }, 'x'.repeat(8_000_000)), { status: 200, body: 'early', fault: '' })
  t.match(long, { status: 401, body: /turned-away/, fault: '' }, 'what nobody will read need not be sent')
})

t.test('T-36 C-43 an event stream over HTTP/2 ends with its session, and the connection goes on', async (t) => {
  const changes = createChangeFeed()
  const { http2, sessions } = await open(t, (request, response) => {
    if (request.url === '/ok') return response.end('ok')
    return response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  }, { changes })
  const stream = http2.request({ ...ofAlice, cookie: '__Host-jointgate=second', ':path': '/events' })
  sessions.set('second', sessions.get('good') as never)
  const whole = answerOf(stream)
  await once(stream, 'data')
  sessions.delete('second')
  changes.tell({ kind: 'session', ref: 'second' as SessionRef })
  t.match(await whole, { status: 200, body: /^data: 1\n\n[^]*event: /, fault: /INTERNAL_ERROR/ })
  t.equal((await ask(http2, { ':path': '/ok' })).body, 'ok')
})

t.test('a stop lets streams end and takes no more (GOAWAY)', async (t) => {
  let finish = (): unknown => undefined
  const { app, http2, upstream } = await open(t, (_request, response) => {
    response.write('part')
    finish = () => response.end(' and the rest')
  })
  const stream = http2.request({ ...ofAlice, ':path': '/long' })
  const whole = answerOf(stream)
  await until(() => upstream.seen.length === 1)
  const goAway = once(http2, 'goaway')
  const closed = app.close()
  t.equal((await goAway)[0], 0)
  finish()
  t.match(await whole, { status: 200, body: 'part and the rest', fault: '' })
  await closed
  await until(() => http2.destroyed)
})
