import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import t from 'tap'
import { sessionCookie, startGateway, startUpstream } from '../support/forward-gateway.ts'
import { openHttp2, tls } from '../support/http2-client.ts'

t.test('a body with a content-length comes through byte for byte, there and back, over HTTP/1.1 and HTTP/2', async (t) => {
  const read = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
    const parts: Buffer[] = []
    for await (const part of stream) parts.push(part)
    return Buffer.concat(parts)
  }
  const arrived: Buffer[] = []
  const upstream = await startUpstream(t, (req, res) => {
    void read(req).then((body) => {
      arrived.push(body)
      // Other bytes than it got: the way back is judged by itself.
      res.writeHead(200, { 'content-length': body.length }).end(body.map((byte) => byte ^ 1))
    })
  })
  const plain = await startGateway(t, { upstream: upstream.url })
  const http2 = openHttp2(t, (await startGateway(t, { upstream: upstream.url, tls })).port)
  const head = (body: Buffer) => ({ cookie: sessionCookie, 'content-type': 'application/octet-stream', 'content-length': body.length })
  const ways: Record<string, (body: Buffer) => Promise<Buffer>> = {
    'HTTP/1.1': async (body) => {
      const asked = httpRequest({ host: '127.0.0.1', port: plain.port, method: 'POST', path: '/a', headers: head(body), agent: false })
      asked.end(body)
      const [answer] = await once(asked, 'response') as [IncomingMessage]
      return await read(answer)
    },
    'HTTP/2': async (body) => {
      const asked = http2.request({ ':method': 'POST', ':path': '/a', ':authority': 'app.example.com', ...head(body) })
      asked.end(body)
      return await read(asked)
    },
  }
  for (const [way, send] of Object.entries(ways)) {
    for (const size of [1, 256, 16_384, 16_385, 70_000]) {
      // Begins with a byte that is no ASCII.
      const body = Buffer.from(Array.from({ length: size }, (_, index) => (index + 0x80) % 256))
      const answer = await send(body)
      t.ok(arrived.pop()?.equals(body), `${way}: the request, ${size} bytes`)
      t.ok(answer.equals(body.map((byte) => byte ^ 1)), `${way}: the response, ${size} bytes`)
    }
  }
})
