import type { OutgoingHttpHeaders } from 'node:http2'
import t from 'tap'
import { requestText, startGateway, startUpstream, statusOfAnswer, talk } from '../support/forward-gateway.ts'
import { ask, openHttp2, tls } from '../support/http2-client.ts'

const tooMuch = 'x'.repeat(20_000)

t.test('T-47 what is answered below every route is kept by nobody either', async (t) => {
  const upstream = await startUpstream(t)
  const { port } = await startGateway(t, { upstream: upstream.url })
  for (const [name, text, status] of [
    ['expectation', requestText('/a', { headers: ['expect: a-pony'] }), 417],
    ['CONNECT', requestText('evil.example:443', { method: 'CONNECT' }), 405],
    ['unreadable', 'GET\r\n\r\n', 400],
    ['too long', requestText('/a', { headers: [`x-a: ${tooMuch}`] }), 431],
  ] as const) {
    const answer = await talk(port, text)
    t.equal(statusOfAnswer(answer), status, name)
    t.match(answer.split('\r\n\r\n', 1)[0], /\r\ncache-control: no-store(?:\r\n|$)/i, name)
  }
  const secured = await startGateway(t, { upstream: upstream.url, tls })
  const http2 = openHttp2(t, secured.port)
  const inQuestion: readonly [string, OutgoingHttpHeaders, number][] = [
    ['expectation', { ':path': '/a', expect: 'a-pony' }, 417],
    ['CONNECT', { ':method': 'CONNECT', ':authority': 'evil.example:443' }, 405],
    ['two names', { ':path': '/a', host: 'other.example.com' }, 400],
    ['unknown method', { ':path': '/a', ':method': 'FOO' }, 501],
    ['too long', { ':path': '/a', 'x-a': tooMuch }, 431],
  ]
  for (const [name, headers, status] of inQuestion) {
    const answer = await ask(http2, headers)
    t.match([answer.status, answer.headers['cache-control']], [status, 'no-store'], `HTTP/2, ${name}`)
  }
  t.equal(upstream.seen.length, 0)
})
