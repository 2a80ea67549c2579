import { createHash } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'

/** The application: WebSockets that stay open and say nothing, and event streams that all get the same numbered events. */
const eventEveryMs = 250
const listeners = new Set<ServerResponse>()
const acceptOf = (key: string): string => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

let number = 0
setInterval(() => {
  number++
  for (const response of listeners) response.write(`id: ${number}\ndata: ${Date.now()}\n\n`)
}, eventEveryMs)

createServer((request, response) => {
  if (request.url !== '/events') {
    response.end('x'.repeat(1024))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).flushHeaders()
  listeners.add(response)
  response.once('close', () => { listeners.delete(response) })
}).on('upgrade', (request, socket) => {
  socket.on('error', () => { socket.destroy() })
  const accept = acceptOf(request.headers['sec-websocket-key'] ?? '')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`)
}).listen(Number(process.argv[2]), '127.0.0.1')
