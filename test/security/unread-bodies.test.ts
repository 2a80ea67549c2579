import { mock } from 'node:test'
import t from 'tap'
import { openTestGateway } from '../support/build-gateway.ts'
import { dial } from '../support/step-by-step.ts'

/* Whoever sends a body byte by byte holds nothing but the connection, and that not for long. */

t.test('who is turned away before the body is here gets the answer and no more of the connection', async (t) => {
  const gateway = await openTestGateway(t)
  const client = dial(Number(new URL(gateway.url).port))
  client.write('POST /orders HTTP/1.1\r\nhost: a\r\naccept: application/json\r\ncontent-length: 100\r\n\r\nhalf of it')
  await client.gone
  t.match(client.received, /^HTTP\/1\.1 401 [^]*\r\nconnection: close\r\n/i)
  const other = dial(Number(new URL(gateway.url).port))
  other.write('POST /orders HTTP/1.1\r\nhost: a\r\naccept: application/json\r\ncontent-length: 4\r\n\r\nbody')
  await other.until('}')
  t.match(other.received, /^HTTP\/1\.1 401 [^]*\r\nconnection: keep-alive\r\n/i, 'a whole one may be followed by another request')
  other.destroy()
})

t.test('who is still sending when turned away reads the answer: no reset overtakes it (RFC 9112 §9.6)', async (t) => {
  const gateway = await openTestGateway(t)
  const client = dial(Number(new URL(gateway.url).port))
  const length = 8 << 20
  client.write(`POST /orders HTTP/1.1\r\nhost: a\r\naccept: application/json\r\ncontent-length: ${length + 1}\r\n\r\n`)
  client.write(Buffer.alloc(length))
  await client.gone
  t.match(client.received, /^HTTP\/1\.1 401 /)
  t.equal(client.errored, null)
})

t.test('a form that does not come is not waited for longer than ten seconds', async (t) => {
  const gateway = await openTestGateway(t)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.timers.reset() })
  const client = dial(Number(new URL(gateway.url).port))
  const type = 'content-type: application/x-www-form-urlencoded'
  client.write(`POST /_gate/sign-out HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n${type}\r\ncontent-length: 100\r\n\r\n`)
  await client.until('100 Continue')
  mock.timers.tick(9_999)
  client.write('a')
  await new Promise(setImmediate)
  t.equal(client.destroyed, false)
  mock.timers.tick(1)
  await client.gone
  t.notMatch(client.received, /HTTP\/1\.1 200/)
})
