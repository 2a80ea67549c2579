import t from 'tap'
import { requestText, sessionCookie, startGateway, startUpstream, statusOfAnswer, talk } from '../support/forward-gateway.ts'
import { startStrictUpstream } from '../support/strict-upstream.ts'

const cookie = `cookie: ${sessionCookie}`
const smuggled = `GET /smuggled HTTP/1.1\r\nhost: x\r\n${cookie}\r\nconnection: close\r\n\r\n`
const size = smuggled.length
const post = `POST /a HTTP/1.1\r\nhost: x\r\n${cookie}\r\n`
const get = `GET /a HTTP/1.1\r\nhost: x\r\n${cookie}\r\n`
const end = `\r\n\r\n0\r\n\r\n${smuggled}`
const chunked = `${post}transfer-encoding: chunked\r\n\r\n`

/** What two servers could read differently: one answer that says no, and the connection ends. */
const refused: Record<string, string> = {
  'CL.TE': `${post}content-length: 6\r\ntransfer-encoding: chunked${end}`,
  'TE.CL': `${post}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n${size.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
  'TE.TE, the second is identity': `${post}transfer-encoding: chunked\r\ntransfer-encoding: identity${end}`,
  'TE.TE, the first is identity': `${post}transfer-encoding: identity\r\ntransfer-encoding: chunked${end}`,
  'TE.TE, the second is nothing': `${post}transfer-encoding: chunked\r\ntransfer-encoding: cow${end}`,
  'TE chunked twice': `${post}transfer-encoding: chunked\r\ntransfer-encoding: chunked${end}`,
  ...Object.fromEntries(['chunked, chunked', 'chunked, identity', 'identity, chunked', 'gzip, chunked', 'xchunked', '"chunked"', 'chunked;x=y', ', chunked', '\x0bchunked', '\r\n chunked', 'chunked\0']
    .map((coding) => [`TE ${JSON.stringify(coding)}`, `${post}transfer-encoding: ${coding}${end}`])),
  'TE identity': `${post}transfer-encoding: identity\r\n\r\n${smuggled}`,
  'TE empty': `${post}transfer-encoding:\r\n\r\n${smuggled}`,
  'TE empty beside CL': `${post}transfer-encoding:\r\ncontent-length: ${size}\r\n\r\n${smuggled}`,
  ...Object.fromEntries(['transfer-encoding ', 'transfer-encoding\t', ' transfer-encoding', 'x: y\r\n transfer-encoding', 'x: y\ntransfer-encoding', 'x: y\rtransfer-encoding']
    .map((name) => [`TE as ${JSON.stringify(name)}`, `${post}${name}: chunked${end}`])),
  'TE in HTTP/1.0': `POST /a HTTP/1.0\r\nhost: x\r\n${cookie}\r\nconnection: keep-alive\r\ntransfer-encoding: chunked${end}`,
  'CL twice': `${post}content-length: 0\r\ncontent-length: ${size}\r\n\r\n${smuggled}`,
  'CL twice the same': `${post}content-length: 5\r\nContent-Length: 5\r\n\r\nhello${smuggled}`,
  ...Object.fromEntries(['+5', '-5', '0x5', '5e0', '5.0', '5 5', '5, 5', '5,', '', ' ', '5\0', '\r\n 5', '18446744073709551621', '٥'].map((length) =>
    [`CL ${JSON.stringify(length)}`, `${post}content-length: ${length}\r\n\r\nhello${smuggled}`])),
  'CL with a space before the colon': `${post}content-length : 5\r\n\r\nhello${smuggled}`,
  'obs-fold': `${get}x-a: b\r\n folded\r\n\r\n${smuggled}`,
  'obs-fold with a length in it': `${get}x-a: b\r\n\tcontent-length: ${size}\r\n\r\n${smuggled}`,
  'a folded first field': `GET /a HTTP/1.1\r\n host: x\r\n${cookie}\r\n\r\n${smuggled}`,
  'bare LF': `${get}x-a: b\nx-c: d\n\n${smuggled}`,
  'bare LF before a length': `${get}x-a: b\ncontent-length: ${size}\r\n\r\n${smuggled}`,
  'bare LF at the end of the head': `${get}x-a: b\r\n\n${smuggled}`,
  'bare LF behind the request line': `GET /a HTTP/1.1\nhost: x\r\n${cookie}\r\n\r\n${smuggled}`,
  'bare CR': `${get}x-a: b\rcontent-length: ${size}\r\n\r\n${smuggled}`,
  'bare CR at the end of the head': `${get}x-a: b\r\n\r${smuggled}`,
  ...Object.fromEntries(['x-a\r: b', 'x\0a: b', 'x-a: b\0c', 'x-a: b\x7fc', 'x-a: b\x01c', 'x-a', ': b', 'x a: b', 'x-a\x80: b'].map((field) =>
    [`field ${JSON.stringify(field)}`, `${get}${field}\r\n\r\n${smuggled}`])),
  'two hosts': `${get}Host: y\r\n\r\n${smuggled}`,
  'no host': `GET /a HTTP/1.1\r\n${cookie}\r\n\r\n${smuggled}`,
  ...Object.fromEntries(['GET /a', 'GET /a HTTP/1.2', 'PRI * HTTP/2.0', 'GET\t/a\tHTTP/1.1', 'GET /a b HTTP/1.1', 'FOO /a HTTP/1.1', 'get /a HTTP/1.1', 'GET /a HTTP/1.1 x', 'GET /a\0 HTTP/1.1'].map((line) =>
    [`line ${JSON.stringify(line)}`, `${line}\r\nhost: x\r\n${cookie}\r\n\r\n${smuggled}`])),
  ...Object.fromEntries([
    '5;\nhello\r\n0\r\n\r\n', `2;\nxx\r\n${size.toString(16)}\r\n0\r\n\r\n`, '5;a\rb\r\nhello\r\n0\r\n\r\n', '5\nhello\n0\n\n', '5\r\nhello\n0\r\n\r\n', '5\r\nhelloXX0\r\n\r\n', '0;\n\r\n\r\n',
    '0\n\n', '0x5\r\nhello\r\n0\r\n\r\n', '+5\r\nhello\r\n0\r\n\r\n', '-5\r\nhello\r\n0\r\n\r\n', ' 5\r\nhello\r\n0\r\n\r\n', '5 \r\nhello\r\n0\r\n\r\n', '1_0\r\nhello\r\n0\r\n\r\n', '\r\nhello\r\n0\r\n\r\n',
    '10000000000000005\r\nhello\r\n0\r\n\r\n', 'fffffffffffffffff\r\n', `0\r\ncontent-length: ${size}\r\n\r\n`, '0\r\ntransfer-encoding: identity\r\n\r\n', '0\r\nx: y\n\n', '0\r\nx : y\r\n\r\n',
  ].map((body) => [`chunks ${JSON.stringify(body)}`, `${chunked}${body}${smuggled}`])),
  'an expectation that isn\'t one': `${post}expect: y 100-continue\r\ncontent-length: ${size}\r\n\r\n${smuggled}`,
}

const hello = '5\r\nhello\r\n0\r\n\r\n'
const second = 'GET /smuggled '

/** What can be read in one way only: so many requests as there are, each with its own body. */
const forwarded: Record<string, [bytes: string, requests: string[]]> = {
  ...Object.fromEntries(['POST', 'GET', 'HEAD', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY'].flatMap((method) => [['content-length: 5\r\n\r\nhello', 'a length'], [`transfer-encoding: chunked\r\n\r\n${hello}`, 'chunks']]
    .map(([body, what]) => [`${method} with ${what}, then another request`, [`${method}${get.slice(3)}${body}${smuggled}`, [`${method} /a hello`, second]]]))),
  'a body that looks like a request': [`${post}content-length: ${size}\r\n\r\n${smuggled}${smuggled}`, [`POST /a ${smuggled}`, second]],
  'the same behind GET': [`${get}content-length: ${size}\r\n\r\n${smuggled}${smuggled}`, [`GET /a ${smuggled}`, second]],
  'a length named in Connection': [`${post}connection: content-length\r\ncontent-length: ${size}\r\n\r\n${smuggled}${smuggled}`, [`POST /a ${smuggled}`, second]],
  'chunks named in Connection': [`${post}connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n${smuggled}`, [`POST /a ${smuggled}`, second]],
  'a length under names that some would fold': [`${post}content_length: ${size}\r\ncontent.length: ${size}\r\ntransfer_encoding: chunked\r\n\r\n${smuggled}`, ['POST /a ', second]],
  'a coding in capitals, between blanks': [`${post}Transfer-Encoding:\t CHUNKED \r\n\r\n${hello}${smuggled}`, ['POST /a hello', second]],
  'chunk extensions': [`${chunked}5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n${smuggled}`, ['POST /a hello', second]],
  'sizes and lengths with zeros in front': [`${chunked}00005\r\nhello\r\n000\r\n\r\n${post}content-length: 005\r\n\r\nhello${smuggled}`, ['POST /a hello', 'POST /a hello', second]],
  trailers: [`${chunked}5\r\nhello\r\n0\r\nx: y\r\n\r\n${smuggled}`, ['POST /a hello', second]],
  'empty lines between requests': [`\r\n\r\n${get}\r\n\r\n\r\n${smuggled}`, ['GET /a ', second]],
  'nothing at all behind Connection: close': [`${post}content-length: 5\r\nconnection: close\r\n\r\nhello${smuggled}`, ['POST /a hello']],
  'nothing behind an h2c offer, whose end node\'s parser loses': [`${get}connection: upgrade\r\nupgrade: h2c\r\n\r\n${smuggled}`, ['GET /a ']],
  'nor behind one with a body': [`${get}connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\nhello${smuggled}`, ['GET /a hello']],
}

t.test('T-24 C-41 what two servers could read differently is answered with a no, brings nothing to the upstream and ends the connection', async (t) => {
  const upstream = await startStrictUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const problems: string[] = []
  for (const [name, bytes] of Object.entries(refused)) {
    const startedAt = performance.now()
    const answer = await talk(gateway.port, bytes)
    const statuses = answer.match(/HTTP\/1.1 \d+/g)?.map((line) => Number(line.slice(9))) ?? []
    const isRight = statuses.length === 1 && [400, 417].includes(statuses[0] ?? 0) && performance.now() - startedAt < 5_000
    const seen = upstream.requests.splice(0)
    if (!isRight || seen.length > 0 || upstream.complaints.length > 0) problems.push(`${name}: ${statuses.join()} ${JSON.stringify(seen)} ${upstream.complaints.splice(0).join()}`)
  }
  t.strictSame(problems, [])
  t.ok(Object.keys(refused).length > 80, `${Object.keys(refused).length} ways`)
})

t.test('T-24 C-41 one request in is one request out, and no reader can see another', async (t) => {
  const upstream = await startStrictUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  for (const [name, [bytes, expected]] of Object.entries(forwarded)) {
    const answer = await talk(gateway.port, bytes)
    t.strictSame(upstream.requests.splice(0).map(({ line, body }) => `${line.replace('HTTP/1.1', '')}${body}`), expected, name)
    t.equal(answer.match(/HTTP\/1.1 200/g)?.length, expected.length, name)
  }
  t.strictSame(upstream.complaints, [])
})

t.test('T-24 the same bytes in small pieces are the same requests', async (t) => {
  const upstream = await startStrictUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  for (const [name, [bytes, expected]] of Object.entries(forwarded)) {
    // Node's parser loses nothing of what comes later, but the connection has ended by then.
    if (name.startsWith('no')) continue
    await talk(gateway.port, bytes, 7)
    t.strictSame(upstream.requests.splice(0).map(({ line, body }) => `${line.replace('HTTP/1.1', '')}${body}`), expected, name)
  }
  const problems: string[] = []
  for (const [name, bytes] of Object.entries(refused)) {
    const answer = await talk(gateway.port, bytes, 3)
    if (!/^HTTP\/1.1 4(00|17) /.test(answer) || upstream.requests.length > 0) problems.push(`${name}: ${answer.slice(0, 20)} ${JSON.stringify(upstream.requests.splice(0))}`)
  }
  t.strictSame(problems, [])
  t.strictSame(upstream.complaints, [])
})

t.test('T-24 T-33 the body of a turned-away request is never taken for the next request', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const hidden = `GET /smuggled HTTP/1.1\r\nhost: x\r\n${cookie}\r\n\r\n`
  for (const first of [
    requestText('/a', { method: 'POST', body: hidden, cookie: '', keepAlive: true }),
    requestText('/a', { method: 'POST', body: hidden.repeat(5000), cookie: '', keepAlive: true }),
    requestText('/a', { method: 'GET', body: hidden, cookie: '', keepAlive: true }),
    requestText('/a', { method: 'POST', headers: ['transfer-encoding: chunked'], cookie: '', keepAlive: true }) +
      `${hidden.length.toString(16)};x=y\r\n${hidden}\r\n0\r\n\r\n`,
    requestText('/a%2f', { method: 'POST', body: hidden, keepAlive: true }),
    requestText('/_gate/none', { method: 'POST', body: hidden, keepAlive: true }),
  ]) {
    const before = upstream.seen.length
    const answer = await talk(gateway.port, first + requestText('/next'))
    t.strictSame(answer.match(/(?<=HTTP\/1.1 )\d+/g)?.slice(1), ['200'])
    t.match(statusOfAnswer(answer).toString(), /^40[014]$/)
    t.strictSame(upstream.seen.slice(before).map(({ target }) => target), ['/next'])
  }
})

t.test('T-24 an unreadable request tells whoever reads it in both languages, and nothing is written into an answer under way', async (t) => {
  let finish = (): void => {}
  const upstream = await startUpstream(t, (_req, res) => {
    res.writeHead(200, { 'content-length': 10 }).write('begun')
    finish = () => { res.end('ended') }
  })
  const gateway = await startGateway(t, { upstream: upstream.url })
  const answer = await talk(gateway.port, 'rubbish\r\n\r\n')
  t.match(answer, /^HTTP\/1.1 400 Bad Request\r\n[^]*connection: close\r\n/)
  t.match(JSON.parse(Buffer.from(answer.split('\r\n\r\n')[1] ?? '', 'latin1').toString()), { code: 'GW_REQUEST_INVALID', status: 400, title: '无法读取请求 / The request could not be read' })
  const underWay = await talk(gateway.port, `${get}\r\n`, 0, (received, write) => {
    if (!received.endsWith('begun')) return
    write('rubbish\r\n\r\n')
    setImmediate(finish)
  })
  t.match(underWay, /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nbegunended(HTTP\/1.1 400 [^]*)?$/)
  t.match(await talk(gateway.port, `${get}\r\nrubbish\r\n\r\n`, 0, () => { setImmediate(finish) }), /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nbegunended$/, 'a good request before it has its own answer')
})
