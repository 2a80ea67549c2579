import type { Socket } from 'node:net'
import t from 'tap'
import { identityHeaders } from '../../src/base/header-names.ts'
import { FrameBoundary } from '../../src/forward/web-socket-frames.ts'
import { openTestGateway } from '../support/build-gateway.ts'
import { sessionCookie, startGateway, talk, valuesOf } from '../support/forward-gateway.ts'
import { capitalised, droppedNames, emittedNames, spellingsOf } from '../support/header-spellings.ts'
import { bindTenant, signIn, until } from '../support/signed-in.ts'
import { beginWebSocket, dialWebSocket, frameOf, goodHandshake, openLiveUpstream } from '../support/web-socket.ts'

t.test('a WebSocket through the gateway', async (t) => {
  const upstream = await openLiveUpstream(t)
  const gateway = await openTestGateway(t, { upstream })
  const server = await bindTenant(t, gateway)
  const browser = await signIn(gateway, server)
  const cookie = browser.cookieHeader()

  await t.test('messages of all sizes go both ways untouched', async (t) => {
    const client = await dialWebSocket(gateway.url, { cookie, target: '/live?room=1' })
    t.equal(client.status, 101)
    t.match(client.head, /^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/mi)
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
      const message = Buffer.alloc(size, size % 251)
      client.send(message)
      const echoed = await client.next()
      t.equal(echoed.opcode, 2)
      t.ok(echoed.payload.equals(message), `${size} bytes`)
    }
    t.equal(upstream.requests.at(-1)?.target, '/live?room=1')
    client.socket.destroy()
    await until(() => upstream.sockets.size === 0)
  })

  await t.test('either side\'s end is the other\'s, and what was sent before it arrives', async (t) => {
    const farewell = Buffer.concat([frameOf(1, Buffer.alloc(300_000, 97), false), frameOf(8, Buffer.of(3, 232), false)])
    upstream.onOpen = (socket) => { socket.end(farewell) }
    const client = await dialWebSocket(gateway.url, { cookie })
    t.equal((await client.next()).payload.length, 300_000)
    t.equal(await client.closed(), '1000 ', 'the application\'s own close frame and nothing behind it')
    let received = ''
    upstream.onOpen = (socket) => { socket.on('data', (chunk) => { received += chunk.toString('latin1') }) }
    const other = await dialWebSocket(gateway.url, { cookie })
    other.socket.end('last words')
    await until(() => received === 'last words' && upstream.sockets.size === 0)
    upstream.onOpen = (socket) => { socket.resetAndDestroy() }
    t.equal(await (await dialWebSocket(gateway.url, { cookie })).closed(), 'none', 'an application that breaks off is not made to look well')
  })

  await t.test('whoever is not signed in gets 401 as a problem, and the application hears of nobody', async (t) => {
    const before = upstream.requests.length
    for (const bad of ['', '__Host-jointgate=nobody', `${cookie}; __Host-jointgate=second`]) {
      const client = await dialWebSocket(gateway.url, { cookie: bad })
      t.equal(client.status, 401)
      t.match(client.head, /^content-type: application\/problem\+json/mi)
      t.match(client.head, /^connection: close$/mi)
      t.match(JSON.parse(await client.body()), { reason: 'session-missing', supportCode: /^\w{4}-\w{4}$/, signInUrl: /^\/_gate\/sign-in/ })
    }
    t.equal(upstream.requests.length, before)
  })

  await t.test('T-36 C-43 a page of another origin opens none, cookie or not', async (t) => {
    const before = upstream.requests.length
    for (const origin of ['https://evil.example', 'null', 'none', `${gateway.url}.evil.example`, gateway.url.replace('http:', 'https:'), `${gateway.url}, ${gateway.url}`, '', null]) {
      for (const who of [cookie, '']) {
        const client = await dialWebSocket(gateway.url, { cookie: who, origin })
        t.equal(client.status, 403, String(origin))
        t.match(JSON.parse(await client.body()), { reason: 'cross-site-request' })
      }
    }
    t.equal(upstream.requests.length, before, 'the application saw nothing')
  })

  await t.test('T-36 the setting lets origins in, and clients without one only by name', async (t) => {
    upstream.onOpen = (socket) => { socket.end() }
    const second = await openTestGateway(t, { upstream, env: { JOINTGATE_WEBSOCKET_ORIGINS: 'https://shop.example.com/, none' } })
    const secondCookie = (await signIn(second, await bindTenant(t, second))).cookieHeader()
    for (const [origin, status] of [['https://shop.example.com', 101], [null, 101], [second.url, 101], ['none', 403], ['https://shop.example.com:8443', 403]] as const) {
      const client = await dialWebSocket(second.url, { cookie: secondCookie, origin })
      t.equal(client.status, status, String(origin))
      client.socket.destroy()
    }
    await until(() => upstream.sockets.size === 0)
  })

  await t.test('what the application says in place of 101 reaches the client as it is', async (t) => {
    upstream.refusal = 'HTTP/1.1 418 Not A Pot\r\nx-why: tea\r\nset-cookie: __Host-jointgate=stolen\r\nset-cookie: a=1\r\ncontent-length: 9\r\nconnection: close\r\n\r\nonly  tea'
    const client = await dialWebSocket(gateway.url, { cookie })
    t.match(client.head, /^HTTP\/1\.1 418 Not A Pot\r\n/)
    t.match(client.head, /^x-why: tea$/mi)
    t.match(client.head, /^set-cookie: a=1$/mi)
    t.notMatch(client.head, /stolen/)
    t.equal(await client.body(), 'only  tea', 'and then the connection ends')
    upstream.refusal = `HTTP/1.1 403 Forbidden\r\ncontent-length: 3000000\r\n\r\n${'x'.repeat(3_000_000)}`
    t.equal((await (await dialWebSocket(gateway.url, { cookie })).body()).length, 3_000_000, 'also a large one')
    upstream.refusal = undefined
  })

  await t.test('T-35 C-45 a cookie of ours in the application\'s 101 is dropped, another is kept', async (t) => {
    upstream.moreHead = 'set-cookie: __Host-jointgate=stolen; Secure\r\nset-cookie: a=1\r\nsec-websocket-protocol: chat\r\n'
    const client = await dialWebSocket(gateway.url, { cookie, headers: ['sec-websocket-protocol: chat, other'] })
    t.equal(client.status, 101)
    t.notMatch(client.head, /stolen/)
    t.match(client.head, /^set-cookie: a=1$/mi)
    t.match(client.head, /^sec-websocket-protocol: chat$/mi)
    upstream.moreHead = ''
    client.socket.destroy()
  })

  await t.test('only a good handshake goes on: version, key, method, body, address', async (t) => {
    const before = upstream.requests.length
    const statusOf = async (options: Parameters<typeof dialWebSocket>[1]) => {
      const client = await dialWebSocket(gateway.url, { cookie, ...options })
      client.socket.destroy()
      return client.status
    }
    for (const key of ['', 'sec-websocket-key: short', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ', `${goodHandshake[0]}\r\n${goodHandshake[0]}`]) {
      t.equal(await statusOf({ handshake: [key, 'sec-websocket-version: 13'].filter((line) => line !== '') }), 400, key)
    }
    const old = await dialWebSocket(gateway.url, { cookie, handshake: [goodHandshake[0] ?? '', 'sec-websocket-version: 8'] })
    t.equal(old.status, 426)
    t.match(old.head, /^sec-websocket-version: 13$/mi)
    t.match(old.head, /^upgrade: websocket$/mi)
    t.equal(await statusOf({ handshake: [goodHandshake[0] ?? ''] }), 426)
    t.equal(await statusOf({ requestLine: 'POST /live HTTP/1.1', headers: ['content-length: 0'] }), 501)
    t.equal(await statusOf({ requestLine: 'GET /live HTTP/1.0' }), 501)
    t.equal(await statusOf({ headers: ['content-length: 5'] }), 501)
    t.equal(await statusOf({ headers: ['transfer-encoding: chunked'] }), 501)
    for (const target of ['/a//b', '/a/../b', '/%5fgate/session', '/a%2fb', '/a\\b', '//evil.example/']) t.equal(await statusOf({ target }), 400, target)
    t.equal(await statusOf({ target: '/_gate/live' }), 404, 'nothing of ours is a WebSocket')
    t.equal(await statusOf({ target: '/_gate/session' }), 200, 'where the offer means nothing it is ignored (RFC 9110 §7.8)')
    t.equal(await statusOf({ headers: Array.from({ length: 250 }, (_, at) => `x-${at}: 1`) }), 431)
    t.equal(upstream.requests.length, before)
  })

  await t.test('T-24 nothing is sent on before the answer, and nothing runs into an answer under way', async (t) => {
    const before = upstream.requests.length
    const lines = ['GET /live HTTP/1.1', 'host: gateway', 'connection: Upgrade', 'upgrade: websocket', ...goodHandshake, `origin: ${gateway.url}`, `cookie: ${cookie}`, '', '']
    const handshake = lines.join('\r\n')
    const port = Number(new URL(gateway.url).port)
    t.equal(await talk(port, `${handshake}GET /admin HTTP/1.1\r\nhost: x\r\n\r\n`), '', 'a request hidden behind the handshake')
    t.equal(upstream.requests.length, before)
    upstream.answer = (_request, response) => { response.write('half ') }
    const plain = `GET /slow HTTP/1.1\r\nhost: gateway\r\ncookie: ${cookie}\r\n\r\n`
    t.notMatch(await talk(port, plain + handshake), /101/, 'a handshake behind an answer that is not whole')
    upstream.answer = (_request, response) => { response.end('the application') }
    t.equal(upstream.handshakes.length, upstream.requests.filter(({ target }) => target.startsWith('/live')).length)
  })

  await t.test('a client that goes while the application thinks takes its handshake with it', async (t) => {
    upstream.holdBack = true
    for (const leave of ['destroy', 'end', 'resetAndDestroy'] as const) {
      const socket = beginWebSocket(gateway.url, { cookie })
      await until(() => upstream.sockets.size === 1)
      socket[leave]()
      await until(() => upstream.sockets.size === 0)
      t.pass(leave)
    }
    upstream.holdBack = false
  })

  await t.test('an application that is away is told as 502, one that says nothing as 504', async (t) => {
    const silent = await openLiveUpstream(t)
    silent.holdBack = true
    const held = await openTestGateway(t, { upstream: silent, env: { JOINTGATE_UPSTREAM_TIMEOUT_SECONDS: '1' } })
    const heldCookie = (await signIn(held, await bindTenant(t, held))).cookieHeader()
    const late = await dialWebSocket(held.url, { cookie: heldCookie })
    t.equal(late.status, 504)
    t.match(await late.body(), 'GW_UPSTREAM_TIMEOUT')
    silent.stop()
    const gone = await dialWebSocket(held.url, { cookie: heldCookie })
    t.equal(gone.status, 502)
    t.match(JSON.parse(await gone.body()), { code: 'GW_UPSTREAM_UNREACHABLE', supportCode: /./ })
  })

  await t.test('a slow reader slows the other side down: what is under way is what the systems\' buffers hold', async (t) => {
    const total = 64 * 1_048_576
    const most = 40 * 1_048_576
    const block = Buffer.alloc(65_536, 1)
    let application: Socket | undefined
    upstream.onOpen = (socket) => { application = socket.pause() }
    const client = await dialWebSocket(gateway.url, { cookie })
    client.socket.removeAllListeners('data').pause()
    await until(() => application !== undefined)
    const sides = [client.socket, application ?? client.socket]
    const sent = [0, 0]
    for (const [at, side] of sides.entries()) {
      const write = (): void => {
        while ((sent[at] ?? total) < total) {
          sent[at] = (sent[at] ?? 0) + block.length
          if (!side.write(block)) {
            side.once('drain', write)
            return
          }
        }
      }
      write()
    }
    await stalls(() => (sent[0] ?? 0) + (sent[1] ?? 0))
    t.ok(sent.every((bytes) => bytes < most), `${sent.join(' and ')} bytes of ${total} were written before both stood still`)
    await Promise.all(sides.map((side) => new Promise<void>((resolve) => {
      let received = 0
      side.on('data', (chunk) => {
        received += chunk.length
        if (received === total) resolve()
      }).resume()
    })))
    t.pass('and when both read again, every byte arrives')
    client.socket.destroy()
  })

  await t.test('a gateway that stops closes open tunnels with 1001 and soon', async (t) => {
    const stopping = await openTestGateway(t, { upstream })
    const stoppingCookie = (await signIn(stopping, await bindTenant(t, stopping))).cookieHeader()
    upstream.onOpen = () => {}
    const clients = await Promise.all([1, 2, 3].map(() => dialWebSocket(stopping.url, { cookie: stoppingCookie })))
    // One that doesn't answer the close.
    clients[2]?.socket.pause()
    const startedAt = performance.now()
    await stopping.close()
    t.ok(performance.now() - startedAt < 4_000, 'a stop doesn\'t wait for who doesn\'t close')
    t.equal(await clients[0]?.closed(), '1001 gateway-closing')
    t.equal(await clients[1]?.closed(), '1001 gateway-closing')
  })
})

/** Resolves when a number has stood still for a while. */
async function stalls (read: () => number): Promise<void> {
  for (let [last, still] = [-1, 0]; still < 10;) {
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    const now = read()
    still = now === last ? still + 1 : 0
    last = now
  }
}

t.test('T-06 T-07 T-08 T-34 C-45 the header matrix holds for upgrades', async (t) => {
  const upstream = await openLiveUpstream(t)
  upstream.onOpen = (socket) => { socket.end() }
  const gateway = await startGateway(t, { upstream: new URL(upstream.url) })
  const own = { cookie: sessionCookie, origin: 'https://app.example.com' }
  const url = `http://127.0.0.1:${gateway.port}`
  const shake = async (options: Parameters<typeof dialWebSocket>[1]) => {
    const client = await dialWebSocket(url, { ...own, ...options })
    client.socket.destroy()
    return { status: client.status, rawHeaders: upstream.handshakes.pop() ?? [] }
  }
  const problems: string[] = []
  for (const name of [...emittedNames, ...droppedNames]) {
    const spellings = spellingsOf(name)
    const { status, rawHeaders } = await shake({ headers: [...spellings.map((spelling) => `${spelling}: evil`), 'x-other_header: kept'] })
    const isOnlyOurs = !rawHeaders.join().includes('evil') && valuesOf(rawHeaders, name).length === (emittedNames.includes(name) ? 1 : 0)
    if (status !== 101 || !isOnlyOurs || valuesOf(rawHeaders, 'x-other-header')[0] !== 'kept') problems.push(`${name}: ${rawHeaders.join()}`)
  }
  for (const name of [...emittedNames, 'host', 'cookie', 'upgrade', 'connection']) {
    for (const headers of [[`connection: ${name}, x-custom`, 'x-custom: 1', 'keep-alive: 5'], [`Connection: close, ${capitalised(name)}`], ['connection: close']]) {
      const { status, rawHeaders } = await shake({ headers })
      const areOursThere = emittedNames.every((emitted) => valuesOf(rawHeaders, emitted).length === 1)
      const hops = ['x-custom', 'keep-alive'].flatMap((hop) => valuesOf(rawHeaders, hop))
      const isHandshake = valuesOf(rawHeaders, 'upgrade').join() === 'websocket' && valuesOf(rawHeaders, 'connection').join() === 'upgrade'
      if (status !== 101 || !areOursThere || hops.length > 0 || !isHandshake) problems.push(`${headers.join()}: ${status} ${rawHeaders.join()}`)
    }
  }
  t.strictSame(problems, [])

  const { rawHeaders } = await shake({ cookie: `a=1; ${sessionCookie}; __Host-jointgate-lang=en; b=2` })
  t.strictSame(valuesOf(rawHeaders, 'cookie'), ['a=1; b=2'])
  t.strictSame(valuesOf(rawHeaders, 'sec-websocket-key'), ['dGhlIHNhbXBsZSBub25jZQ=='])
  t.strictSame(valuesOf(rawHeaders, identityHeaders.user), ['alice'])
  t.strictSame(valuesOf(rawHeaders, 'host'), [new URL(upstream.url).host])

  const before = upstream.requests.length
  const spoofed = emittedNames.flatMap((name) => spellingsOf(name).map((spelling) => `${spelling}: evil`))
  for (const target of ['/', '/public/', '/_gate/x', '/a%2fb']) t.not((await shake({ target, cookie: '', headers: spoofed })).status, 101)
  t.not((await shake({ origin: null, headers: spoofed })).status, 101)
  t.equal(upstream.requests.length, before, 'who is turned away brings nothing')
})

t.test('the boundary of frames is found however the bytes are cut', async (t) => {
  const frames = [frameOf(1, Buffer.from('a'), false), frameOf(2, Buffer.alloc(0), false), frameOf(2, Buffer.alloc(200), false), frameOf(2, Buffer.alloc(70_000), false), frameOf(9, Buffer.from('p'), true)]
  const ends = new Set(frames.map((_, at) => Buffer.concat(frames.slice(0, at + 1)).length))
  const bytes = Buffer.concat(frames)
  for (const step of [1, 3, 7, 4096, bytes.length]) {
    const boundary = new FrameBoundary()
    let wrong = 0
    for (let at = 0; at < bytes.length; at += step) {
      boundary.see(bytes.subarray(at, at + step))
      if (boundary.isHere !== ends.has(Math.min(at + step, bytes.length))) wrong++
    }
    t.equal(wrong, 0, `cut by ${step}`)
  }
  const closed = new FrameBoundary()
  closed.see(frameOf(8, Buffer.of(3, 232), false))
  t.notOk(closed.isHere, 'nothing may follow a close frame')
})
