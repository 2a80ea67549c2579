import { createServer } from 'node:net'

/**
 * The application: 1 KB for each GET, with as little work as possible, so that it is never the slowest part. It counts the ends of
 * request heads and reads nothing else.
 */
const body = 'x'.repeat(1024)
const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\ncache-control: no-store\r\n\r\n${body}`)
const endOfHead = '\r\n\r\n'

createServer({ noDelay: true }, (socket) => {
  let rest = ''
  socket.on('error', () => { socket.destroy() })
  socket.on('data', (chunk) => {
    const heads = (rest + chunk.toString('latin1')).split(endOfHead)
    rest = heads.pop() ?? ''
    for (let count = heads.length; count > 0; count--) socket.write(answer)
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
