import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { requestText, sessionCookie, startGateway, startRawUpstream, startUpstream, statusOfAnswer, talk, valuesOf } from '../support/forward-gateway.ts'
import { dial, manualAnswers } from '../support/step-by-step.ts'

t.test('a response streams: the client has its first part before the upstream writes the second', async (t) => {
  const { answer, next } = manualAnswers()
  const gateway = await startGateway(t, { upstream: (await startUpstream(t, answer)).url })
  const client = dial(gateway.port)
  client.write(requestText('/events'))
  const [, res] = await next()
  res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
  await client.until('data: first')
  res.end('data: second\n\n')
  await client.until('data: second')
  t.match(client.received, /content-type: text\/event-stream/)
})

t.test('a request streams: the upstream has the first part before the client writes the second', async (t) => {
  const { answer, next } = manualAnswers()
  const gateway = await startGateway(t, { upstream: (await startUpstream(t, answer)).url })
  const client = dial(gateway.port)
  client.write(`POST /a HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nfirst\r\n`)
  const [req, res] = await next()
  const [first] = await once(req, 'data') as [Buffer]
  t.equal(first.toString(), 'first')
  client.write('6\r\nsecond\r\n0\r\n\r\n')
  const [second] = await once(req, 'data') as [Buffer]
  t.equal(second.toString(), 'second')
  res.end('done')
  await client.until('done')
})

const mebibyte = 1024 * 1024

t.test('a slow reader slows the upstream down, and the gateway holds little', async (t) => {
  const total = 48 * mebibyte
  const chunk = Buffer.alloc(256 * 1024, 'x')
  const upstream = await startUpstream(t, (_req, res) => {
    let left = total
    const send = (): void => {
      while (left > 0) {
        left -= chunk.length
        if (!res.write(chunk)) {
          res.once('drain', send)
          return
        }
      }
      res.end()
    }
    res.writeHead(200, { 'content-length': total })
    send()
  })
  const gateway = await startGateway(t, { upstream: upstream.url, own: (app) => app.addHook('onRequest', async (_request, reply) => { outgoing = reply.raw }) })
  let outgoing: ServerResponse | undefined
  let pauses = 0
  let heldAtMost = 0
  let received = 0
  const client = connect(gateway.port, '127.0.0.1')
  client.write(requestText('/a'))
  for await (const part of client as AsyncIterable<Buffer>) {
    if (received === 0) outgoing?.on('drain', () => { pauses++ })
    received += part.length
    heldAtMost = Math.max(heldAtMost, outgoing?.writableLength ?? 0)
    // Two turns of the loop for each part: slower than the upstream writes.
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate)
  }
  t.ok(received > total)
  t.ok(pauses > 10, `${pauses} pauses`)
  t.ok(heldAtMost < 2 * mebibyte, `${heldAtMost} bytes held`)
})

t.test('a slow upstream slows the uploading client down, and every byte arrives', async (t) => {
  const body = randomBytes(48 * mebibyte)
  let received = 0
  let heldAtMost = 0
  let clientSide: Socket | undefined
  const upstream = await startUpstream(t, (req, res) => {
    const hash = createHash('sha256')
    const read = async (): Promise<void> => {
      for await (const part of req as AsyncIterable<Buffer>) {
        hash.update(part)
        received += part.length
        heldAtMost = Math.max(heldAtMost, (clientSide?.bytesRead ?? 0) - received)
        await new Promise(setImmediate)
      }
      res.end(hash.digest('hex'))
    }
    void read()
  })
  const gateway = await startGateway(t, { upstream: upstream.url, own: (app) => app.addHook('onRequest', async (request) => { clientSide = request.raw.socket }) })
  const client = dial(gateway.port)
  client.write(`PUT /a HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`)
  client.write(body)
  await once(client, 'close')
  t.match(client.received, createHash('sha256').update(body).digest('hex'))
  t.equal(received, body.length)
  // What the kernel keeps between gateway and upstream is counted, too.
  t.ok(heldAtMost < 16 * mebibyte, `${heldAtMost} bytes held`)
})

t.test('a client that goes away cancels the request at the upstream', async (t) => {
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url })

  const early = dial(gateway.port)
  early.write(requestText('/before-the-response'))
  const [, earlyResponse] = await next()
  early.destroy()
  await once(earlyResponse, 'close')

  const late = dial(gateway.port)
  late.write(requestText('/while-it-comes'))
  const [, lateResponse] = await next()
  lateResponse.write('part')
  await late.until('part')
  late.destroy()
  await once(lateResponse, 'close')

  const uploading = dial(gateway.port)
  uploading.write(`POST /upload HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}\r\ncontent-length: 100\r\n\r\npart`)
  const [uploaded] = await next()
  await once(uploaded, 'data')
  uploading.destroy()
  await new Promise((resolve) => uploaded.on('error', () => {}).once('close', resolve))
  t.equal(uploaded.complete, false, 'half a body never looks whole')

  t.equal(statusOfAnswer(await Promise.all([talk(gateway.port, requestText('/a')), next().then(([, res]) => res.end())]).then(([text]) => text)), 200)
  t.equal(upstream.seen.length, 4)
})

t.test('an upstream that isn\'t there is a 502 and leaves the connection usable', async (t) => {
  const upstream = await startUpstream(t)
  upstream.server.close()
  await once(upstream.server, 'close')
  const gateway = await startGateway(t, { upstream: upstream.url })
  const answer = await talk(gateway.port, requestText('/a', { method: 'POST', body: 'GET /smuggled HTTP/1.1\r\n\r\n', keepAlive: true }) + requestText('/b'))
  t.equal(answer.match(/HTTP\/1.1 502 /g)?.length, 2)
  t.match(answer, /GW_UPSTREAM_UNREACHABLE/)
})

t.test('T-41 a request is sent once, whatever becomes of it', async (t) => {
  for (const [what, react] of [
    ['closes', (socket) => socket.end()], ['resets', (socket) => socket.resetAndDestroy()], ['answers rubbish', (socket) => socket.end('rubbish\r\n\r\n')],
    ['stops in its headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')], ['switches protocols unasked', (socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')],
    ['contradicts itself', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nab')],
  ] as [string, (socket: Socket) => void][]) {
    let requests = 0
    const upstream = await startRawUpstream(t, (socket) => socket.on('data', (chunk: Buffer) => {
      if (!chunk.includes(' /fine ')) requests++
      if (chunk.includes(' /fine ')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nkeep-alive: timeout=60\r\n\r\nok')
      else react(socket)
    }))
    const gateway = await startGateway(t, { upstream })
    for (const [method, body] of [['GET', ''], ['POST', 'body'], ['DELETE', '']] as const) {
      // On a new connection to the upstream, then on one that has served before: there, others try again.
      for (const warmUp of ['', requestText('/fine', { keepAlive: true })]) {
        requests = 0
        const answer = await talk(gateway.port, warmUp + requestText('/a', { method, body }))
        t.match(answer.slice(answer.lastIndexOf('HTTP/1.1')), /^HTTP\/1.1 502 [^]*GW_UPSTREAM_LOST/, `${what}, ${method}`)
        t.equal(requests, 1, `${what}, ${method}`)
      }
    }
  }
})

t.test('an upstream that keeps the client waiting is a 504, sent once, and cancelled', async (t) => {
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url, upstreamTimeoutSeconds: 0.05 })
  const [text, [, res]] = await Promise.all([talk(gateway.port, requestText('/a', { method: 'POST', body: 'body' })), next()])
  t.match(text, /^HTTP\/1.1 504 [^]*GW_UPSTREAM_TIMEOUT/)
  if (!res.destroyed) await once(res, 'close')
  t.equal(upstream.seen.length, 1)
})

t.test('T-41 a response that breaks off never looks whole', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => socket.on('data', (chunk: Buffer) => {
    const head = chunk.includes(' /length ') ? 'content-length: 100\r\n\r\npart' : 'transfer-encoding: chunked\r\n\r\n4\r\npart\r\n'
    socket.write('HTTP/1.1 200 OK\r\n' + head)
    breakOff = () => { socket.resetAndDestroy() }
  }))
  let breakOff = (): void => {}
  const gateway = await startGateway(t, { upstream })
  for (const target of ['/length', '/chunked']) {
    const client = dial(gateway.port)
    client.write(requestText(target, { keepAlive: true }))
    await client.until('part')
    breakOff()
    await once(client, 'close')
    t.match(client.received, target === '/length' ? /content-length: 100\r\n[^]*part$/ : /chunked\r\n[^]*part\r\n$/, `${target}: closed without an end`)
  }
  const old = dial(gateway.port)
  old.write(`GET /chunked HTTP/1.0\r\ncookie: ${sessionCookie}\r\n\r\n`)
  await old.until('part')
  breakOff()
  // For HTTP/1.0 a closed connection is the end of a body, so there it must be a reset.
  const [error] = await once(old, 'error').catch((error: unknown) => [error]) as [NodeJS.ErrnoException]
  t.equal(error.code, 'ECONNRESET')
  t.equal(gateway.warnings.filter((line) => line.includes('forward.response-broken')).length, 3)
})

t.test('responses without a body keep their head, and the connection serves on', async (t) => {
  const heads: Record<string, string> = {
    '/204': '204 No Content\r\n',
    '/304': '304 Not Modified\r\ncontent-length: 1234\r\netag: "x"\r\n',
    '/head': '200 OK\r\ncontent-length: 77\r\n',
    '/head-unsized': '200 OK\r\nx-a: 1\r\n',
    '/empty': '200 OK\r\ncontent-length: 0\r\n',
  }
  const upstream = await startRawUpstream(t, (socket) => socket.on('data', (chunk: Buffer) => {
    socket.write(`HTTP/1.1 ${heads[/ (\S+)/.exec(chunk.toString())?.[1] ?? '']}\r\n`)
  }))
  const gateway = await startGateway(t, { upstream })
  for (const [target, pattern] of [
    ['/204', /^HTTP\/1.1 204 No Content\r\n(?![^]*(content-length|transfer-encoding))/i], ['/304', /^HTTP\/1.1 304 Not Modified\r\n[^]*content-length: 1234\r\n/],
    ['/head', /^HTTP\/1.1 200 OK\r\n[^]*content-length: 77\r\n/], ['/head-unsized', /^HTTP\/1.1 200 OK\r\nx-a: 1\r\n(?![^]*transfer-encoding)/i],
    ['/empty', /^HTTP\/1.1 200 OK\r\ncontent-length: 0\r\n/],
  ] as const) {
    const once = requestText(target, { method: target.startsWith('/head') ? 'HEAD' : 'GET', keepAlive: true })
    const answer = await talk(gateway.port, once + once + requestText(target, { method: 'HEAD' }))
    t.equal(answer.match(/HTTP\/1.1 /g)?.length, 3, target)
    t.match(answer, pattern, target)
    t.match(answer, /\r\n\r\n$/, `${target}: no body`)
  }
  t.strictSame(gateway.warnings, [])
})

t.test('a body goes with any method and any content type, framed as it was', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const chunked = '4\r\nbody\r\n0\r\n\r\n'
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY']) {
    for (const type of ['content-type: application/json', 'content-type: no type at all', 'content-type:', 'x-none: 1']) {
      const sized = await talk(gateway.port, requestText('/a', { method, body: 'body', headers: [type] }))
      t.match([statusOfAnswer(sized), upstream.seen.at(-1)?.body], [200, 'body'], `${method}, ${type}`)
      t.strictSame(valuesOf(upstream.seen.at(-1)?.rawHeaders ?? [], 'content-length'), ['4'])
    }
    const answer = await talk(gateway.port, requestText('/a', { method, headers: ['Transfer-Encoding: chunked'] }) + chunked)
    t.match([statusOfAnswer(answer), upstream.seen.at(-1)?.body], [200, 'body'], `${method}, chunked`)
    t.strictSame(valuesOf(upstream.seen.at(-1)?.rawHeaders ?? [], 'transfer-encoding'), ['chunked'])
  }
  await talk(gateway.port, requestText('/a', { method: 'POST', headers: ['content-length: 0'] }))
  t.strictSame(valuesOf(upstream.seen.at(-1)?.rawHeaders ?? [], 'content-length'), ['0'])
  t.equal(upstream.seen.length, 8 * 5 + 1)
})

t.test('an upstream that answers before it has read the body is heard, and the connection closed', async (t) => {
  const upstream = await startUpstream(t, (_req, res) => res.writeHead(413).end('too large'))
  const gateway = await startGateway(t, { upstream: upstream.url })
  const client = dial(gateway.port)
  client.write(`POST /a HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}\r\ncontent-length: 1000000\r\n\r\npart`)
  await once(client, 'close')
  t.match(client.received, /^HTTP\/1.1 413 [^]*connection: close\r\n[^]*too large/i)
})

t.test('T-41 an upstream lost in the middle of an upload is a 502, even to a client that goes on sending', async (t) => {
  let lose = (): void => {}
  const upstream = await startRawUpstream(t, (socket) => socket.on('data', (chunk: Buffer) => {
    if (chunk.includes('first')) lose = () => { socket.resetAndDestroy() }
    client.emit('upstream-has-it')
  }))
  const gateway = await startGateway(t, { upstream })
  const client = dial(gateway.port)
  client.write(`POST /a HTTP/1.1\r\nhost: x\r\ncookie: ${sessionCookie}\r\ncontent-length: 100000\r\n\r\nfirst`)
  await once(client, 'upstream-has-it')
  client.write('second'.repeat(1000))
  lose()
  client.write('third')
  await once(client, 'close')
  t.match(client.received, /^HTTP\/1.1 502 [^]*connection: close\r\n[^]*GW_UPSTREAM_LOST/i)
})

t.test('pipelined requests are answered in their order, each once', async (t) => {
  const upstream = await startUpstream(t, (req, res) => res.end(`<${req.url}>`))
  const gateway = await startGateway(t, { upstream: upstream.url })
  const targets = Array.from({ length: 30 }, (_, index) => `/${index}`)
  const answer = await talk(gateway.port, targets.map((target, index) => requestText(target, { keepAlive: index < 29 })).join(''))
  t.strictSame(answer.match(/(?<=<)\/\d+(?=>)/g), targets)
  t.strictSame(upstream.seen.map(({ target }) => target), targets)
})

t.test('T-13 a request in flight ends well, the next one of the ended session is turned away', async (t) => {
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, {
    upstream: upstream.url,
    own: (app) => app.post('/_gate/sign-out', async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
      gateway.sessions.clear()
      return 'signed out'
    }),
  })
  const slow = dial(gateway.port)
  slow.write(requestText('/slow', { keepAlive: true }))
  const [, res] = await next()
  res.write('first')
  await slow.until('first')
  const pipelined = await talk(gateway.port, requestText('/_gate/sign-out', { method: 'POST', keepAlive: true }) + requestText('/after'))
  t.match(pipelined, /^HTTP\/1.1 200 [^]*signed out[^]*HTTP\/1.1 401 /, 'the sign-out holds for what was pipelined behind it')
  res.end('last')
  await slow.until('last')
  slow.write(requestText('/a'))
  await slow.until('HTTP/1.1 401')
  t.strictSame(upstream.seen.map(({ target }) => target), ['/slow'])
})

t.test('closing the gateway lets a response in flight end', async (t) => {
  const { answer, next } = manualAnswers()
  const upstream = await startUpstream(t, answer)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const client = dial(gateway.port)
  client.write(requestText('/slow'))
  const [, res] = await next()
  res.write('first')
  await client.until('first')
  const closed = gateway.app.close()
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  res.end('last')
  await client.until('last')
  await closed
  t.notMatch(gateway.warnings.join(), 'forward.response-broken')
})

t.test('C-39 an upstream with a path, and a gateway without the judgement, don\'t start', async (t) => {
  const { url } = await startUpstream(t)
  await t.rejects(startGateway(t, { upstream: [{ origin: `${url.origin}/base` }] }), TypeError)
  await t.rejects(startGateway(t, { upstream: [{ origin: `${url.origin}/?a` }] }), TypeError)
  await t.rejects(startGateway(t, { upstream: [{ origin: 'http://user@127.0.0.1' }] }), TypeError)
  await t.rejects(startGateway(t, { upstream: url, isUnjudged: true }), TypeError)
})
