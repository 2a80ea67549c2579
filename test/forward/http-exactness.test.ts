import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createLocationRewrite } from '../../src/forward/rewrite-location.ts'
import { requestText, sessionCookie, startGateway, startRawUpstream, startUpstream, statusOfAnswer, talk, valuesOf } from '../support/forward-gateway.ts'
import { dial } from '../support/step-by-step.ts'

/** An upstream that answers each request with these bytes, whatever it is. */
function startSaying (t: Test, answerTo: (head: string) => string): Promise<URL> {
  return startRawUpstream(t, (socket) => socket.on('data', (chunk: Buffer) => {
    const head = chunk.toString('latin1')
    if (/^[A-Z]+ /.test(head)) socket.write(answerTo(head), 'latin1')
  }))
}

const headOf = (answer: string): string[] => (answer.split('\r\n\r\n')[0] ?? '').split('\r\n')

t.test('Expect: 100-continue: who is wanted is told to go on, who is turned away keeps the body', async (t) => {
  const upstream = await startUpstream(t)
  const forms: string[] = []
  const gateway = await startGateway(t, {
    upstream: upstream.url,
    own: (app) => {
      app.addContentTypeParser('text/x-own', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })
      app.post('/_gate/own', async (request) => forms.push(String(request.body)))
    },
  })
  const asking = (target: string, more: string[] = [], cookie = sessionCookie): string =>
    requestText(target, { method: 'POST', cookie, keepAlive: true, headers: ['expect: 100-continue', 'content-length: 4', ...more] })

  for (const [target, spelling, more] of [['/a', 'expect: 100-continue', []], ['/a', 'Expect: 100-Continue', []], ['/_gate/own', 'expect: 100-continue', ['content-type: text/x-own']]] as const) {
    const client = dial(gateway.port)
    client.write(asking(target, [...more]).replace('expect: 100-continue', spelling))
    await client.until('HTTP/1.1 100 Continue\r\n\r\n')
    client.write('body')
    await client.until('HTTP/1.1 200 OK')
    client.write(requestText('/next'))
    await once(client, 'close')
    t.strictSame(client.received.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 100', 'HTTP/1.1 200', 'HTTP/1.1 200'], `${target}: the connection serves on`)
  }
  t.strictSame(upstream.seen.map(({ target, body }) => `${target} ${body}`), ['/a body', '/next ', '/a body', '/next ', '/next '])
  t.strictSame(forms, ['body'])
  t.ok(upstream.seen.every(({ rawHeaders }) => valuesOf(rawHeaders, 'expect').length === 0))

  upstream.seen.length = 0
  for (const [request, status] of [
    [asking('/a', [], ''), 401], [asking('/a', [], '__Host-jointgate=nobody'), 401], [asking('/a%2f'), 400], [asking('/_gate/none'), 404],
  ] as const) {
    // What it sends instead of the body is no request, whatever it looks like (T-24).
    const answer = await talk(gateway.port, request + requestText('/hidden'))
    t.strictSame(answer.match(/HTTP\/1.1 \d+/g), [`HTTP/1.1 ${status}`])
    t.match(answer, /^connection: close\r$/im, `${status}`)
  }
  for (const expectation of ['miracles', '100-continue, miracles', 'x-100-continue']) {
    const answer = await talk(gateway.port, requestText('/a', { method: 'POST', headers: [`expect: ${expectation}`, 'content-length: 4'], keepAlive: true }))
    t.match(answer, /^HTTP\/1.1 417 [^]*connection: close\r\n/i, expectation)
  }
  t.equal(upstream.seen.length, 0)
  t.notMatch(await talk(gateway.port, asking('/a').replace('HTTP/1.1', 'HTTP/1.0') + 'body'), /100 Continue/, 'RFC 9110 §10.1.1: not over HTTP/1.0')

  upstream.server.close()
  upstream.server.closeAllConnections()
  await once(upstream.server, 'close')
  t.strictSame((await talk(gateway.port, asking('/a'))).match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 502'], 'no body for an application that is away')
})

t.test('T-35 103 Early Hints reach an HTTP/1.1 client, scrubbed like an answer; no other informational response does', async (t) => {
  const upstream = await startSaying(t, () => [
    'HTTP/1.1 102 Processing\r\nx-a: 1\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style, </b.js>; rel=preload\r\nlink: </c.js>\r\nx-hop: 1\r\nconnection: x-hop\r\n',
    'set-cookie: __Host-jointgate=stolen\r\nkeep-alive: timeout=9\r\ncontent-length: 7\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </d.css>\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  ].join(''))
  const gateway = await startGateway(t, { upstream })
  for (const method of ['GET', 'POST']) {
    const answer = await talk(gateway.port, requestText('/a', { method, body: method === 'POST' ? 'body' : '' }))
    t.equal(answer.slice(0, answer.indexOf('HTTP/1.1 200')), [
      'HTTP/1.1 103 Early Hints', 'link: </a.css>; rel=preload; as=style, </b.js>; rel=preload', 'link: </c.js>', '',
      'HTTP/1.1 103 Early Hints', 'link: </d.css>', '', '',
    ].join('\r\n'), method)
    t.match(answer, /HTTP\/1.1 200 OK\r\n(?![^]*link)[^]*\r\n\r\nok$/)
    t.match(gateway.warnings.pop(), /"forward.cookie-refused"/, 'and it is told of')
  }
  const old = await talk(gateway.port, `GET /a HTTP/1.0\r\ncookie: ${sessionCookie}\r\n\r\n`)
  t.match(old, /^HTTP\/1.1 200 OK\r\n[^]*ok$/, 'HTTP/1.0 knows none')
})

t.test('trailers of a response reach the client, but none that would mean something among the headers', async (t) => {
  const trailers = [
    'X-Checksum: abc', 'x-twice: 1', 'X-Twice: 2', 'set-cookie: a=1', 'Set-Cookie: __Host-jointgate=stolen', 'location: /', 'transfer-encoding: chunked',
    'upgrade: x', 'content-type: text/html', 'cache-control: public', 'trailer: x',
  ].join('\r\n')
  const upstream = await startSaying(t, (head) => {
    const announced = head.includes(' /silent ') ? '' : 'Trailer: X-Checksum, set-cookie, Content-Type\r\n'
    return `HTTP/1.1 200 OK\r\n${announced}transfer-encoding: chunked\r\n\r\n${head.startsWith('HEAD') ? '' : `2\r\nok\r\n0\r\n${trailers}\r\n\r\n`}`
  })
  const gateway = await startGateway(t, { upstream })
  const answer = await talk(gateway.port, requestText('/announced'))
  t.match(answer, /\r\n\r\n2\r\nok\r\n0\r\nx-checksum: abc\r\nx-twice: 1\r\nx-twice: 2\r\n\r\n$/)
  t.match(headOf(answer), ['HTTP/1.1 200 OK', /./, /./])
  t.ok(headOf(answer).includes('trailer: X-Checksum'))
  t.match(await talk(gateway.port, requestText('/silent')), /^(?![^]*trailer:)[^]*0\r\nx-checksum: abc\r\n/)
  t.match(await talk(gateway.port, requestText('/announced', { method: 'HEAD' })), /^HTTP\/1.1 200 OK\r\n(?![^]*(trailer|checksum))[^]*\r\n\r\n$/)
  const old = await talk(gateway.port, `GET /announced HTTP/1.0\r\ncookie: ${sessionCookie}\r\n\r\n`)
  t.match(old, /^HTTP\/1.1 200 OK\r\n(?![^]*(trailer|checksum))[^]*\r\n\r\nok$/, 'HTTP/1.0 has no room for them')
})

t.test('T-06 trailers of a request end here, and none becomes a header', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const head = requestText('/a', { method: 'POST', headers: ['transfer-encoding: chunked', 'trailer: x-identity-user', 'te: trailers'] })
  const answer = await talk(gateway.port, `${head}4\r\nbody\r\n0\r\nx-identity-user: evil\r\nx-other: 1\r\n\r\n`)
  t.equal(statusOfAnswer(answer), 200)
  t.equal(upstream.seen[0]?.body, 'body')
  t.strictSame(['x-identity-user', 'x-other', 'trailer', 'te'].map((name) => valuesOf(upstream.seen[0]?.rawHeaders ?? [], name).join()), ['alice', '', '', ''])
})

t.test('a Location that names a server behind the gateway names the public URL at the client', async (t) => {
  let location = ''
  const upstream = await startSaying(t, () => `HTTP/1.1 302 Found\r\nlocation: ${location}\r\ncontent-location: ${location}\r\nrefresh: 0; url=${location}\r\ncontent-length: 0\r\n\r\n`)
  const gateway = await startGateway(t, { upstream })
  const asIs = await startGateway(t, { upstream, rewriteLocation: false })
  const { host, origin, port } = upstream
  const publicUrl = 'https://app.example.com'
  for (const [sent, received] of [
    [`${origin}/a?b=${origin}#c`, `${publicUrl}/a?b=${origin}#c`], [origin, publicUrl], [`${origin}?q`, `${publicUrl}?q`], [`HTTP://${host}/%2F//x`, `${publicUrl}/%2F//x`],
    // It has heard of TLS, but not of the host.
    [`https://${host}/a`, `${publicUrl}/a`], [`//${host}/a`, `${publicUrl}/a`],
    ['/a', '/a'], ['a', 'a'], ['', ''], ['?a', '?a'], ['https://other.example.com/a', 'https://other.example.com/a'], [`http://127.0.0.1:1${port}/`, `http://127.0.0.1:1${port}/`],
    [`http://user@${host}/`, `http://user@${host}/`], [`ftp://${host}/`, `ftp://${host}/`], [`/${host}/`, `/${host}/`], [`http:/${host}/`, `http:/${host}/`],
    [`http://evil.example/?${origin}/`, `http://evil.example/?${origin}/`], [`http:\\\\${host}\\a`, `http:\\\\${host}\\a`], [`http://${host}.evil.example/`, `http://${host}.evil.example/`],
  ] as const) {
    location = sent
    const lines = headOf(await talk(gateway.port, requestText('/x')))
    t.strictSame([lines.includes(`location: ${received}`), lines.includes(`content-location: ${received}`), lines.includes(`refresh: 0; url=${sent}`)], [true, true, true], `${sent}: ${lines.join('|')}`)
    t.ok(headOf(await talk(asIs.port, requestText('/x'))).includes(`location: ${sent}`), 'and stays with the switch off')
  }
  const rewrite = createLocationRewrite(new URL('https://app.example.com:8443'), [
    { origin: 'http://a.internal' }, { origin: 'https://b.internal' }, { origin: 'http://[fd00::1]:3000' }, { origin: 'http://localhost', socketPath: '/run/app.sock' },
  ])
  for (const own of ['http://a.internal', 'http://A.Internal:80', 'https://a.internal', 'https://b.internal', 'https://b.internal:443', 'http://[fd00::1]:3000', 'http://localhost']) {
    t.equal(rewrite(`${own}/x`), 'https://app.example.com:8443/x', own)
  }
  for (const other of ['http://a.internal:8080/', 'http://b.internal:80/', 'http://c.internal/', 'http://localhost:3000/', 'http://a.internal@evil.com/', 'http://a.internal:80@evil.com', 'http://a.internal\\@evil.com/']) t.equal(rewrite(other), other)
})

t.test('ranges, validators, Date and Server come through as they are, and nothing is added twice', async (t) => {
  const answers: Record<string, string[]> = {
    '/part': ['206 Partial Content', 'content-range: bytes 0-1/10', 'accept-ranges: bytes', 'etag: W/"x"', 'date: Mon, 01 Jan 2001 00:00:00 GMT', 'server: own/1', 'content-length: 2'],
    '/parts': ['206 Partial Content', 'content-type: multipart/byteranges; boundary=b', 'date: then', 'content-length: 2'],
    '/none': ['416 Range Not Satisfiable', 'content-range: bytes */10', 'date: then', 'content-length: 2'],
    '/plain': ['200 OK', 'content-encoding: br', 'vary: Accept-Encoding', 'via: 1.1 other', 'content-length: 2'],
  }
  const seen: string[] = []
  const upstream = await startSaying(t, (head) => {
    seen.push(head)
    return `HTTP/1.1 ${(answers[/ (\S+)/.exec(head)?.[1] ?? ''] ?? []).join('\r\n')}\r\n\r\nok`
  })
  const gateway = await startGateway(t, { upstream })
  const asked = ['range: bytes=0-1, 4-5', 'if-range: W/"x"', 'if-none-match: "a", "b"', 'if-modified-since: then', 'accept-encoding: br, gzip;q=0', 'authorization: Basic eDp5', 'via: 1.0 fred']
  for (const [target, lines] of Object.entries(answers)) {
    const answer = await talk(gateway.port, requestText(target, { headers: asked }))
    const added = lines.some((line) => line.startsWith('date:')) ? [] : [/^Date: \w{3}, /]
    const received = headOf(answer)
    t.strictSame(received.slice(0, lines.length), [`HTTP/1.1 ${lines[0]}`, ...lines.slice(1)], target)
    t.match(received.slice(lines.length), [...added, /^connection: close$/i])
    t.equal(received.length, lines.length + added.length + 1, 'and no more')
    t.match(answer, /\r\n\r\nok$/)
    for (const line of asked) t.ok(seen.at(-1)?.includes(`\r\n${line}\r\n`), line)
    t.strictSame(seen.at(-1)?.match(/^via:.*$/gim), ['via: 1.0 fred'], 'none of ours')
  }
})

t.test('the head of a response goes out although nothing of its body is there', async (t) => {
  const upstream = await startUpstream(t, (req, res) => {
    res.writeHead(200, { 'content-type': req.url === '/events' ? 'text/event-stream' : 'application/json', ...(req.url === '/sized' && { 'content-length': 9 }) })
    res.flushHeaders()
  })
  const gateway = await startGateway(t, { upstream: upstream.url })
  for (const target of ['/events', '/poll', '/sized']) {
    const client = dial(gateway.port)
    client.write(requestText(target))
    await client.until('\r\n\r\n')
    t.match(client.received, /^HTTP\/1.1 200 OK\r\n/, target)
    client.destroy()
  }
})

t.test('an early answer reaches a client that is still sending', async (t) => {
  const upstream = await startUpstream(t, (_req, res) => { res.writeHead(413, { 'content-length': 9 }).end('too large') })
  const gateway = await startGateway(t, { upstream: upstream.url })
  const body = Buffer.alloc(32 * 1_048_576, 'x')
  for (const framing of [`content-length: ${body.length}`, 'transfer-encoding: chunked']) {
    let error: unknown
    const client = dial(gateway.port).on('error', (reason) => { error = reason })
    client.write(requestText('/a', { method: 'PUT', headers: [framing], keepAlive: true }))
    const isChunked = framing.startsWith('transfer')
    for (let at = 0; at < body.length && client.writable; at += 65_536) {
      const part = body.subarray(at, at + 65_536)
      if (!client.write(isChunked ? Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')]) : part)) await Promise.race([once(client, 'drain'), once(client, 'close')])
    }
    if (isChunked) client.write('0\r\n\r\n')
    client.end()
    if (!client.closed) await once(client, 'close')
    t.match(client.received, /^HTTP\/1.1 413 [^]*\r\nconnection: close\r\n\r\ntoo large$/, framing)
    t.equal(error, undefined, 'no reset overtakes it')
  }
})

t.test('an upstream\'s transfer coding that nobody asked for is a 502: without its name the body would be something else', async (t) => {
  for (const coding of ['gzip, chunked', 'identity', 'chunked\r\ntransfer-encoding: chunked']) {
    const upstream = await startSaying(t, () => `HTTP/1.1 200 OK\r\ntransfer-encoding: ${coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n`)
    const gateway = await startGateway(t, { upstream })
    t.match(await talk(gateway.port, requestText('/a')), /^HTTP\/1.1 502 [^]*GW_UPSTREAM_LOST/, coding)
  }
})

t.test('T-41 an application that asks to come back later is asked once', async (t) => {
  const upstream = await startUpstream(t, (_req, res) => { res.writeHead(503, { 'retry-after': '120' }).end('later') })
  const gateway = await startGateway(t, { upstream: upstream.url })
  for (const method of ['GET', 'HEAD', 'PUT', 'POST']) {
    upstream.seen.length = 0
    t.match(await talk(gateway.port, requestText('/a', { method })), /^HTTP\/1.1 503 [^]*retry-after: 120\r\n/)
    t.equal(upstream.seen.length, 1, method)
  }
})

t.test('C-42 T-25 too many headers and too large ones get a clear 431 and a closed connection, whoever sends them', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const cookies = (count: number, size: number): string => Array.from({ length: count }, (_, at) => `c${at}=${'x'.repeat(size)}`).join('; ')
  for (const cookie of [sessionCookie, '']) {
    for (const [what, headers] of [
      ['201 fields', Array.from({ length: 200 }, (_, at) => `x-${at}: 1`)], ['3000 fields', Array.from({ length: 3000 }, (_, at) => `x${at}:`)],
      ['64 KB of cookies', [`cookie: ${cookies(16, 4090)}`]], ['a megabyte in one field', [`x-a: ${'x'.repeat(1_048_576)}`]], ['a long address', []],
      ['a long name', [`${'x'.repeat(20_000)}: 1`]],
    ] as const) {
      const startedAt = performance.now()
      const target = what === 'a long address' ? `/?${'x'.repeat(20_000)}` : '/a'
      const answer = await talk(gateway.port, requestText(target, { headers: [...headers], cookie, keepAlive: what !== '201 fields' && what !== '3000 fields' }))
      const [head = '', body = ''] = answer.split('\r\n\r\n')
      t.match(head, /^HTTP\/1.1 431 Request Header Fields Too Large\r\n/, what)
      t.match(head, /^connection: close\r?$/im, what)
      t.match(JSON.parse(body), { code: 'GW_REQUEST_HEADERS_TOO_LARGE' }, what)
      t.equal(Number(/^content-length: (\d+)/im.exec(head)?.[1]), Buffer.byteLength(body, 'latin1'), what)
      t.ok(performance.now() - startedAt < 5_000, what)
    }
  }
  t.equal(upstream.seen.length, 0)
  t.equal(statusOfAnswer(await talk(gateway.port, requestText('/a', { cookie: `${cookies(200, 50)}; ${sessionCookie}` }))), 200, '200 cookies that fit are nobody\'s fault')
  t.equal(valuesOf(upstream.seen[0]?.rawHeaders ?? [], 'cookie')[0], cookies(200, 50))
  t.equal(statusOfAnswer(await talk(gateway.port, requestText('/a', { cookie: `${'=;'.repeat(4000)}; ${sessionCookie}` }))), 200, 'empty names')
  t.equal(statusOfAnswer(await talk(gateway.port, requestText('/a', { cookie: `${sessionCookie}; `.repeat(500) }))), 401, 'ours 500 times counts for nobody')
})

t.test('T-23 the address in absolute, authority or asterisk form is refused, and its host never asked', async (t) => {
  const upstream = await startUpstream(t)
  const sentinel = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  for (const target of [`${sentinel.url.href}a`, `//${sentinel.url.host}/a`, 'http://app.example.com/a', '*', sentinel.url.host, 'https:///a', `\\\\${sentinel.url.host}/`]) {
    for (const method of ['GET', 'OPTIONS', 'POST']) t.equal(statusOfAnswer(await talk(gateway.port, requestText(target, { method }))), 400, `${method} ${target}`)
  }
  t.strictSame([upstream.seen.length, sentinel.seen.length], [0, 0])
})
