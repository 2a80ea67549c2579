import fc from 'fast-check'
import t from 'tap'
import { faults } from '../../src/base/coded-errors.ts'
import { identityHeaders } from '../../src/base/header-names.ts'
import { encodeHeaderValue, identityHeadersOf } from '../../src/forward/identity-headers.ts'
import { withoutOwnCookies } from '../../src/forward/request-headers.ts'
import {
  alice, defaultHeaderNames, requestText, sessionCookie, startGateway, startRawUpstream, startUpstream, statusOfAnswer, talk, valuesOf,
} from '../support/forward-gateway.ts'
import { capitalised, droppedNames, emittedNames, spellingsOf } from '../support/header-spellings.ts'

t.test('T-06 a client\'s spelling of our headers never reaches the upstream, ours do exactly once', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const problems: string[] = []
  for (const name of [...emittedNames, ...droppedNames]) {
    const spellings = spellingsOf(name)
    const headers = [...spellings, ...spellings].map((spelling) => `${spelling}: evil`)
    for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE', 'PROPFIND']) {
      const status = statusOfAnswer(await talk(gateway.port, requestText('/a', { method, headers: [...headers, 'x-other_header: kept'] })))
      const { rawHeaders } = upstream.seen.pop() ?? { rawHeaders: [] }
      const isOnlyOurs = !rawHeaders.join().includes('evil') && valuesOf(rawHeaders, name).length === (emittedNames.includes(name) ? 1 : 0)
      if (status !== 200 || !isOnlyOurs || valuesOf(rawHeaders, 'x-other-header')[0] !== 'kept') problems.push(`${method} ${name}: ${rawHeaders.join()}`)
    }
  }
  t.strictSame(problems, [])
  for (const malformed of ['x-identity-user : evil', ' x-identity-user: evil', 'x-identity-user\t: evil', 'x-identity-user\0: evil']) {
    const before = upstream.seen.length
    t.equal(statusOfAnswer(await talk(gateway.port, requestText('/a', { headers: ['accept: a', malformed] }))), 400, malformed)
    t.equal(upstream.seen.length, before)
  }
})

t.test('T-07 C-37 naming our headers in Connection takes none of them away', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const problems: string[] = []
  for (const name of [...emittedNames, 'host', 'content-length', 'cookie']) {
    for (const headers of [
      ...spellingsOf(name).map((spelling) => [`connection: close, ${spelling}`]),
      [`Connection: ${name} , close`], ['connection: close', `connection: ${capitalised(name)}`],
      [`connection: close,${name},x-custom`, 'x-custom: 1', 'keep-alive: 5', 'te: trailers', 'proxy-connection: x'],
      ...(name.startsWith('x-') ? [[`connection: close,${name}`, `${name}: evil`, `${capitalised(name)}: evil`]] : []),
    ]) {
      const status = statusOfAnswer(await talk(gateway.port, requestText('/a', { method: 'POST', headers, body: 'body' })))
      const { rawHeaders, body } = upstream.seen.pop() ?? { rawHeaders: [], body: '' }
      const areOursThere = emittedNames.every((emitted) => valuesOf(rawHeaders, emitted).length === 1) && !rawHeaders.join().includes('evil')
      const hops = ['x-custom', 'keep-alive', 'te', 'proxy-connection'].flatMap((hop) => valuesOf(rawHeaders, hop))
      if (status !== 200 || !areOursThere || hops.length > 0 || body !== 'body') problems.push(`${headers.join()}: ${rawHeaders.join()}`)
    }
  }
  t.strictSame(problems, [])
})

t.test('T-08 T-33 no method and no path of a turned-away request brings anything to the upstream', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const headers = emittedNames.flatMap((name) => spellingsOf(name).map((spelling) => `${spelling}: evil`))
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY', 'PURGE']) {
    for (const target of ['/', '/public/', '/a?x=/_gate/sign-in', '/favicon.ico', '/.well-known/x']) {
      const answer = await talk(gateway.port, requestText(target, { method, headers, cookie: '' }))
      t.equal(statusOfAnswer(answer), 401, `${method} ${target}`)
    }
  }
  t.equal(statusOfAnswer(await talk(gateway.port, requestText('/a', { headers: [`cookie: ${sessionCookie}`] }))), 401, 'two of our cookies: neither counts')
  t.equal(upstream.seen.length, 0)
})

t.test('T-17 no cookie and no fault lets anybody in', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const cookie = fc.array(fc.constantFrom('__Host-jointgate', '=', ';', ' ', '"', 'good', 'go', ',', '__Host-', '%', '\t', '\x80', 'x'), { maxLength: 8 })
    .map((pieces) => pieces.join('')).filter((text) => !/(^|;)[ \t]*__Host-jointgate[ \t]*=[ \t]*good[ \t]*(;|$)/.test(text))
  await fc.assert(fc.asyncProperty(cookie, async (text) => {
    const status = statusOfAnswer(await talk(gateway.port, requestText('/a', { cookie: '', headers: [`cookie: ${text}`] })))
    if (status !== 401) throw new Error(`${status}`)
  }), { numRuns: 150 })
  t.equal(upstream.seen.length, 0)

  const faulty = await startGateway(t, { upstream: upstream.url, authenticate: () => Promise.reject(new faults.StorageUnavailable()) })
  t.match(await talk(faulty.port, requestText('/a')), /^HTTP\/1.1 503[^]*GW_STORAGE_UNAVAILABLE/)
  t.equal(upstream.seen.length, 0)
})

t.test('the upstream learns who is there, from where, and by which address', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  await talk(gateway.port, requestText('/a', { headers: ['Accept-Language: zh', 'X-Twice: 1', 'x-twice: 2', 'x-latin: \xe9', 'expect: 100-continue'] }))
  const { rawHeaders } = upstream.seen[0] ?? t.fail('the upstream saw nothing') as never
  const value = (name: string): string | undefined => valuesOf(rawHeaders, name)[0]
  t.equal(value('host'), upstream.url.host)
  t.equal(value('x-forwarded-for'), '127.0.0.1')
  t.equal(value('x-forwarded-proto'), 'https')
  t.equal(value('x-forwarded-host'), 'app.example.com')
  t.match(value('x-request-id'), /./)
  t.equal(value(identityHeaders.tenant), 'a1b2c3')
  t.equal(value(identityHeaders.user), 'alice')
  t.equal(value(identityHeaders.name), '%E7%88%B1%E4%B8%BD%E4%B8%9D%20A%25')
  t.equal(decodeURIComponent(value(identityHeaders.name) ?? ''), alice.name)
  t.equal(value(identityHeaders.role), 'user')
  t.equal(value(identityHeaders.department), 'D-01')
  t.equal(value(identityHeaders.instance), 'instance-1')
  t.equal(value(identityHeaders.access), 'full')
  t.match(value(identityHeaders.assertion), /^[\w-]+\.[\w-]+\.[\w-]+$/)
  t.ok(rawHeaders.includes('Accept-Language'), 'a client\'s header keeps its spelling')
  t.strictSame(valuesOf(rawHeaders, 'x-twice'), ['1', '2'])
  t.equal(value('x-latin'), '\xe9')
  t.equal(value('expect'), undefined)
})

t.test('a header value is safe, decodes to the exact text, and two texts never look alike', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
    const encoded = [a, b].map((text) => {
      if (!/^[\x21-\x7e]*$/.test(encodeHeaderValue(text))) throw new Error('not header-safe')
      if (decodeURIComponent(encodeHeaderValue(text)) !== text) throw new Error('not reversible')
      return encodeHeaderValue(text)
    })
    return (a === b) === (encoded[0] === encoded[1])
  }))
  t.equal(encodeHeaderValue('a\r\nx-identity-role: admin'), 'a%0D%0Ax-identity-role:%20admin')
  t.throws(() => encodeHeaderValue('\ud800'), URIError, 'half a character in an id is no id')
  t.ok(identityHeadersOf(defaultHeaderNames, { ...alice, name: 'a\ud800' }, '').includes('a%EF%BF%BD'), 'in a name it locks nobody out')
})

t.test('T-34 C-45 the upstream gets all cookies but ours', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  const own = `${sessionCookie}; __Host-jointgate-flow-a1=f; __Host-jointgate-starts=2; __Host-jointgate-lang=zh-CN`
  await talk(gateway.port, requestText('/a', { cookie: `a=1;  b="x=y; z" ;c; ${own}; =d; __host-jointgate=other; x__Host-jointgate=1;e=\xe9` }))
  await talk(gateway.port, requestText('/a', { cookie: own }))
  await talk(gateway.port, requestText('/a', { cookie: `${own}; a=1`, headers: ['Cookie: b=2; __Host-jointgate-confirm=c'] }))
  t.strictSame(valuesOf(upstream.seen[0]?.rawHeaders ?? [], 'cookie'), ['a=1;  b="x=y; z" ;c; =d; __host-jointgate=other; x__Host-jointgate=1;e=\xe9'])
  t.strictSame(valuesOf(upstream.seen[1]?.rawHeaders ?? [], 'cookie'), [], 'no empty Cookie header')
  t.strictSame(valuesOf(upstream.seen[2]?.rawHeaders ?? [], 'cookie'), ['b=2', 'a=1'])
  for (const [value, left] of [
    ['a=1', 'a=1'], ['__Host-jointgate=x', ''], ['a=__Host-jointgate; b=2', 'a=__Host-jointgate; b=2'], [' __Host-jointgate = x ;a=1', 'a=1'],
    ['__Host-jointgate', ''], ['__Host-jointgate=x;', ''], ['a=1; __Host-jointgate=x', 'a=1'], ['\xa0__Host-jointgate=x; a=1', 'a=1'],
  ] as const) t.equal(withoutOwnCookies(value), left, value)
})

t.test('T-35 C-45 the upstream can\'t set our cookies, and all else of its answer is left alone', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => socket.once('data', () => socket.end([
    'HTTP/1.1 299 Very Own', 'Date: then', 'Set-Cookie: a=1; Path=/', 'set-cookie: __Host-jointgate=stolen; Secure; Path=/', 'Set-Cookie: b=2',
    'Set-Cookie:  __Host-jointgate-flow-x=1', 'Set-Cookie: =__Host-jointgate=nameless', 'Set-Cookie: __Host-other=3', 'X-Twice: 1', 'X-Twice: 2',
    'Connection: close, x-hop', 'X-Hop: 1', 'Keep-Alive: timeout=9', 'Proxy-Authenticate: Basic', 'Cache-Control: private', 'X-Latin: \xe9',
    'Content-Length: 2', '', 'ok',
  ].join('\r\n'), 'latin1')))
  const gateway = await startGateway(t, { upstream })
  const answer = await talk(gateway.port, requestText('/a'))
  const [head = '', body] = answer.split('\r\n\r\n')
  t.equal(body, 'ok')
  t.strictSame(head.split('\r\n').map((line) => line.replace(/^[^:]*:/, (name) => name.toLowerCase())).sort(), [
    'HTTP/1.1 299 Very Own', 'cache-control: private', 'connection: close', 'content-length: 2', 'date: then', 'set-cookie: __Host-other=3',
    'set-cookie: a=1; Path=/', 'set-cookie: b=2', 'x-latin: \xe9', 'x-twice: 1', 'x-twice: 2',
  ])
  t.match(gateway.warnings.join(), /forward\.cookie-refused/)
  t.notMatch(gateway.warnings.join(), /stolen/)
})

t.test('C-44 TRACE and CONNECT are refused with 405, upgrades that are no WebSocket with 501', async (t) => {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { upstream: upstream.url })
  t.match(await talk(gateway.port, requestText('/a', { method: 'TRACE' })), /^HTTP\/1.1 405[^]*GW_REQUEST_METHOD_REFUSED/)
  t.match(await talk(gateway.port, requestText('evil.example:443', { method: 'CONNECT' })), /^HTTP\/1.1 405 /)
  for (const protocol of ['websocket/13', 'h2c, websocket', 'websocket, h2c', 'TLS/1.0']) {
    const headers = ['connection: close, upgrade', `upgrade: ${protocol}`, 'sec-websocket-key: x', 'sec-websocket-version: 13']
    t.match(await talk(gateway.port, requestText('/a', { headers })), /^HTTP\/1.1 501[^]*GW_REQUEST_UPGRADE_REFUSED/, protocol)
    t.match(await talk(gateway.port, requestText('/a', { headers, cookie: '' })), /^HTTP\/1.1 501/, protocol)
  }
  t.equal(upstream.seen.length, 0)
  const offer = ['connection: close, upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABk']
  t.equal(statusOfAnswer(await talk(gateway.port, requestText('/a', { headers: offer }))), 200, 'an h2c offer is ignored')
  t.strictSame(['upgrade', 'http2-settings'].flatMap((name) => valuesOf(upstream.seen[0]?.rawHeaders ?? [], name)), [])
})
