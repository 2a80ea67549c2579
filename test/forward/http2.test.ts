import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { cookieNames } from '../../src/session/cookies.ts'
import { sessionCookie, startGateway, startRawUpstream, startUpstream, valuesOf, type GatewayChoices } from '../support/forward-gateway.ts'
import { droppedNames, emittedNames, spellingsOf } from '../support/header-spellings.ts'
import { answerOf, ask, authority, openHttp2, tls } from '../support/http2-client.ts'
import { flags, frame, frameTypes, headerBlock, requestHead, talkHttp2 } from '../support/http2-frames.ts'
import { until } from '../support/signed-in.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function open (t: Test, answer?: Answer, choices: Partial<GatewayChoices> = {}) {
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url, tls, ...choices })
  return { ...gateway, upstream, http2: openHttp2(t, gateway.port) }
}

/** `:status: 200` as HPACK's static table has it. */
const ok = 0x88
const ofAlice = { ':authority': 'app.example.com', cookie: sessionCookie }

t.test('T-06 C-41 over HTTP/2 a client\'s spelling of our headers never reaches the upstream, ours do exactly once', async (t) => {
  const { http2, upstream } = await open(t)
  const problems: string[] = []
  for (const name of [...emittedNames, ...droppedNames]) {
    const spellings = [...new Set(spellingsOf(name).map((spelling) => spelling.toLowerCase()))]
    const headers = Object.fromEntries(spellings.map((spelling) => [spelling, ['evil', 'evil']]))
    for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE', 'PROPFIND']) {
      const { status } = await ask(http2, { ':method': method, ':path': '/a', ...headers, 'x-other_header': 'kept' }, method === 'POST' ? 'body' : undefined)
      const { rawHeaders, method: seen } = upstream.seen.pop() ?? { rawHeaders: [], method: '' }
      const isOnlyOurs = !rawHeaders.join().includes('evil') && valuesOf(rawHeaders, name).length === (emittedNames.includes(name) ? 1 : 0)
      if (status !== 200 || seen !== method || !isOnlyOurs || valuesOf(rawHeaders, 'x-other-header')[0] !== 'kept') problems.push(`${method} ${name}`)
    }
  }
  t.strictSame(problems, [])
})

t.test('T-07 T-24 C-37 C-41 what HTTP/2 forbids in a head ends the stream and reaches nobody', async (t) => {
  const { port, upstream } = await open(t)
  const refused = async (name: string, head: Buffer, ...more: Buffer[]): Promise<void> => {
    const flag = more.length > 0 ? flags.endHeaders : flags.endHeaders | flags.endStream
    const frames = await talkHttp2(port, [frame(frameTypes.headers, flag, 1, head), ...more], ({ type, stream }) =>
      (stream === 1 && type !== frameTypes.data) || type === frameTypes.goAway)
    t.equal(frames.some(({ type, stream }) => stream === 1 && type === frameTypes.headers), false, `${name}: no answer`)
    t.ok(frames.some(({ type }) => type === frameTypes.resetStream || type === frameTypes.goAway), name)
  }
  for (const [name, value] of [
    ['X-Identity-User', 'evil'], ['x-identity-User', 'evil'],
    ['connection', 'close, x-identity-user'], ['keep-alive', '5'], ['proxy-connection', 'x'], ['transfer-encoding', 'chunked'], ['upgrade', 'websocket'],
    ['te', 'gzip'], [':status', '200'], [':path', '/b'], [':authority', 'other.example.com'], ['content-length', '5'],
  ] as const) await refused(`${name}: ${value}`, requestHead('/a', ['cookie', sessionCookie], [name, value]))
  await refused('a longer body', requestHead('/a', ['cookie', sessionCookie], ['content-length', '2']), frame(frameTypes.data, flags.endStream, 1, 'GET /evil'))
  // A field with such bytes is left away by nghttp2, and the request goes on without it.
  for (const [name, value] of [
    ['x-a', 'b\r\nx-identity-user: evil'],
    ['x-a', 'b\nevil'], ['x-a', 'b\0evil'], ['x-a\r\nx-identity-user', 'evil'], ['x a', 'evil'], ['x-identity-user:', 'evil'],
  ] as const) {
    const head = requestHead('/a', ['cookie', sessionCookie], [name, value], ['x-b', 'kept'])
    const whole = frame(frameTypes.headers, flags.endHeaders | flags.endStream, 1, head)
    const frames = await talkHttp2(port, [whole], ({ stream }) => stream === 1)
    t.equal(frames.find(({ type, stream }) => stream === 1 && type === frameTypes.headers)?.payload[0], ok, name)
    t.strictSame(valuesOf(upstream.seen.at(-1)?.rawHeaders ?? [], 'x-b'), ['kept'])
    t.strictSame(valuesOf(upstream.seen.at(-1)?.rawHeaders ?? [], 'x-a'), [])
  }
  t.strictSame(upstream.seen.filter(({ body }) => body.includes('evil')), [])
  t.strictSame(upstream.seen.flatMap(({ rawHeaders }) => rawHeaders).filter((text) => text.includes('evil')), [])
})

t.test('C-41 a target is judged and forwarded byte for byte, and the host of a request is one', async (t) => {
  const { http2, port, upstream } = await open(t)
  for (const path of ['/a?x=%2F..&y=a+b%20c&&=', '/%E7%88%B1', '/a;b=c', '/?']) {
    t.equal((await ask(http2, { ':path': path })).status, 200, path)
    t.equal(upstream.seen.at(-1)?.target, path)
  }
  const before = upstream.seen.length
  for (const path of ['/a/../b', '//a', '/%5fgate/x', '*', 'http://evil.example/', '/a#b', '/a\\b', '/%2e%2e/a', '/\xff']) {
    t.match((await ask(http2, { ':path': path })).status, /^(?:400|0)$/, path)
  }
  t.equal((await ask(http2, { ':path': '/a', host: 'other.example.com' })).status, 400, 'two names')
  t.equal((await ask(http2, { ':path': '/a', ':method': 'FOO' })).status, 501)
  t.equal((await ask(http2, { ':path': '/a', ':method': 'TRACE' })).status, 405)
  const connect = await ask(http2, { ':method': 'CONNECT', ':authority': 'evil.example:443' })
  t.match([connect.status, connect.headers['allow']], [405, /GET/])
  t.equal(upstream.seen.length, before)
  const nameless = headerBlock([[':method', 'GET'], [':scheme', 'https'], [':path', '/a'], ['cookie', sessionCookie]])
  const whole = frame(frameTypes.headers, flags.endHeaders | flags.endStream, 1, nameless)
  const frames = await talkHttp2(port, [whole], ({ stream }) => stream === 1)
  t.equal(frames.at(-1)?.type === frameTypes.headers && frames.at(-1)?.payload[0] === ok, false, 'no host at all')
  t.equal(upstream.seen.length, before)
  t.equal(http2.remoteSettings.enableConnectProtocol, false, 'WebSockets are not offered over HTTP/2 (RFC 8441)')
})

t.test('T-08 T-34 C-32 C-45 cookies that come one by one are one field, ours count together and go nowhere', async (t) => {
  const { http2, upstream } = await open(t)
  const send = async (...cookie: string[]) => (await ask(http2, { ':path': '/a', cookie })).status
  t.equal(await send('a=1', `${cookieNames.session}=good`, '__Host-jointgate-lang=en', 'b="x; y"', '__host-jointgate=other'), 200)
  t.strictSame(valuesOf(upstream.seen[0]?.rawHeaders ?? [], 'cookie'), ['a=1; b="x; y"; __host-jointgate=other'])
  t.equal(await send(sessionCookie), 200)
  t.strictSame(valuesOf(upstream.seen[1]?.rawHeaders ?? [], 'cookie'), [], 'no empty Cookie header')
  t.equal(await send(sessionCookie, 'a=1', sessionCookie), 401, 'two of our cookies: neither counts')
  t.equal(await send('a=1'), 401)
  const evil = Object.fromEntries(emittedNames.map((name) => [name, 'evil']))
  for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'QUERY']) {
    t.equal((await ask(http2, { ':path': '/', ':method': method, cookie: '', ...evil })).status, 401, method)
  }
  t.equal(upstream.seen.length, 2)
})

t.test('T-35 C-41 C-45 an answer is what it is over HTTP/1.1, without what HTTP/2 has no room for', async (t) => {
  const heads: Record<string, string[]> = {
    '/own': ['HTTP/1.1 299 Very Own', 'Date: then', 'Set-Cookie: a=1', 'set-cookie: __Host-jointgate=stolen; Path=/', 'Set-Cookie: b=2', 'Connection: close, x-hop',
      'X-Hop: 1', 'Keep-Alive: timeout=9', 'Upgrade: h2c', 'X-Twice: 1', 'X-Twice: 2', 'Content-Type: text/a', 'Content-Type: text/b', 'X-Latin: \xe9', 'Content-Length: 2', '', 'ok'],
    '/hints': ['HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload', 'Link: </b.css>; rel=preload', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'],
    '/trailers': ['HTTP/1.1 200 OK', 'Trailer: x-sum', 'Transfer-Encoding: chunked', '', '2', 'ok', '0', 'X-Sum: 1', 'Set-Cookie: a=1', '', ''],
    '/999': ['HTTP/1.1 999 Odd', 'Content-Length: 2', '', 'ok'],
    '/204': ['HTTP/1.1 204 No Content', 'X-A: 1', '', ''],
    '/304': ['HTTP/1.1 304 Not Modified', 'ETag: "a"', 'Content-Length: 9', '', ''],
    '/head': ['HTTP/1.1 200 OK', 'Content-Length: 9', '', ''],
  }
  const upstream = await startRawUpstream(t, (socket) => socket.once('data', (bytes: Buffer) => {
    socket.end((heads[bytes.toString().split(' ')[1] ?? ''] ?? []).join('\r\n'), 'latin1')
  }))
  const gateway = await startGateway(t, { upstream, tls })
  const http2 = openHttp2(t, gateway.port)
  const own = await ask(http2, { ':path': '/own' })
  t.strictSame([own.status, own.body, Object.fromEntries(Object.entries(own.headers))], [299, 'ok', {
    ':status': 299, date: 'then', 'set-cookie': ['a=1', 'b=2'], 'x-twice': '1, 2', 'content-type': 'text/a, text/b', 'x-latin': '\xe9', 'content-length': '2',
  }])
  t.match(gateway.warnings.join(), /forward\.cookie-refused/)
  const stream = http2.request({ ...ofAlice, ':path': '/hints' })
  const hints: unknown[] = []
  stream.on('headers', (headers) => { hints.push([headers[':status'], headers['link']]) })
  t.match(await answerOf(stream), { status: 200, body: 'ok', fault: '' })
  t.strictSame(hints, [[103, '</a.css>; rel=preload, </b.css>; rel=preload']])
  const { body, trailers } = await ask(http2, { ':path': '/trailers' })
  t.strictSame([body, trailers['x-sum'], trailers['set-cookie']], ['ok', '1', undefined])
  t.equal((await ask(http2, { ':path': '/999' })).status, 502)
  t.match(await ask(http2, { ':path': '/204' }), { status: 204, headers: { 'x-a': '1' }, body: '', fault: '' })
  t.match(await ask(http2, { ':path': '/304' }), { status: 304, headers: { etag: '"a"' }, body: '', fault: '' })
  t.match(await ask(http2, { ':path': '/head', ':method': 'HEAD' }), { status: 200, headers: { 'content-length': '9' }, body: '', fault: '' })
})

t.test('T-41 a response that breaks breaks its stream alone, over HTTP/1.0 with TLS its connection', async (t) => {
  const { http2, port, upstream } = await open(t, (request, response) => {
    if (request.url === '/whole') return response.end('whole')
    if (request.url === '/broken') response.write('part', () => request.socket.end())
    else response.write('part')
    return undefined
  })
  const slow = http2.request({ ...ofAlice, ':path': '/slow' })
  await once(slow, 'data')
  t.match(await ask(http2, { ':path': '/broken' }), { status: 200, fault: /INTERNAL_ERROR/ })
  t.match(await ask(http2, { ':path': '/broken', ':method': 'POST' }, 'x'.repeat(1e6)), { status: 200, fault: /INTERNAL_ERROR/ }, 'with an unread body')
  t.match(await ask(http2, { ':path': '/whole' }), { body: 'whole', fault: '' })
  t.equal(slow.closed, false, 'the other stream lives')
  slow.close()
  upstream.seen.length = 0
  const old = connectTls({ port, host: 'localhost', ca: authority }, () => old.write(`GET /broken HTTP/1.0\r\nhost: a\r\ncookie: ${sessionCookie}\r\n\r\n`))
  old.resume()
  const [error] = await once(old, 'error').catch((reason: unknown) => [reason]) as [Error & { code?: string }]
  t.equal(error.code, 'ECONNRESET')
})

t.test('a client that resets a stream cancels it upstream at once, unread body and all; a body that breaks off is no whole one', async (t) => {
  const gone: string[] = []
  let readOn = (): unknown => undefined
  const { http2, port, upstream } = await open(t, (request, response) => {
    response.on('close', () => { gone.push(`${request.url} ${String(request.complete)}`) })
    if (request.url === '/ok') response.end('ok')
    if (request.url === '/begun') response.write('x')
    if (request.url !== '/unread') request.resume()
    else readOn = () => request.resume()
  })
  const start = async (path: string, method: string, body = '') => {
    const stream = http2.request({ ...ofAlice, ':path': path, ':method': method }, { endStream: method === 'GET' })
    stream.on('error', () => {})
    if (body !== '') stream.write(body)
    await until(() => upstream.seen.some(({ target }) => target === path))
    return stream
  }
  for (const [path, method, body, isComplete] of [
    ['/waiting', 'GET', '', true], ['/begun', 'GET', '', true], ['/unread', 'POST', 'x'.repeat(8e6), false],
  ] as const) {
    const stream = await start(path, method, body)
    if (path === '/begun') await until(() => stream.sentHeaders !== undefined && stream.readableLength > 0)
    stream.close(8)
    // A server that doesn't read doesn't see either that the connection is gone.
    readOn()
    await until(() => gone.some((entry) => entry.startsWith(path)))
    t.equal(gone.at(-1), `${path} ${String(isComplete)}`)
    t.match(await ask(http2, { ':path': '/ok' }), { body: 'ok' }, `the connection lives on after ${path}`)
  }
  // By hand: node's client ends a body before it resets its stream.
  for (const code of [0, 8]) {
    const path = `/upload-${code}`
    const reset = until(() => upstream.seen.some((seen) => seen.target === path))
      .then(() => frame(frameTypes.resetStream, 0, 1, Buffer.of(0, 0, 0, code)))
    const upload = Buffer.concat([
      frame(frameTypes.headers, flags.endHeaders, 1, requestHead(path, ['cookie', sessionCookie])), frame(frameTypes.data, flags.none, 1, 'x'),
    ])
    const talk = talkHttp2(port, [upload], ({ type }) => type === frameTypes.goAway, reset)
    await until(() => gone.some((entry) => entry.startsWith(path)))
    t.equal(gone.at(-1), `${path} false`)
    void talk
  }
  const last = await start('/last', 'GET')
  http2.destroy()
  await until(() => gone.includes('/last true'))
  t.equal(last.destroyed, true)
})
