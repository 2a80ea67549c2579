import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

interface Test { teardown (closer: () => unknown): void }

/**
 * - `pass`: as if there were no proxy;
 * - `cut`: connections are reset, and new ones refused;
 * - `blackhole`: connections stay and new ones are taken, but nothing arrives, in either direction, until it is over: TCP sends it again;
 * - `dropPubSub`: as `pass`, but published messages are lost in silence; subscriptions and PINGs are answered.
 */
export type TcpFault = 'pass' | 'cut' | 'blackhole' | 'dropPubSub'

export interface TcpFaultProxy {
  readonly port: number
  /** What a `blackhole` has held back arrives when it is over, on the connections that both ends still hold. */
  set (fault: TcpFault): void
  /** Each way. */
  delay (milliseconds: number): void
}

/** How a message begins in RESP2. */
const publishedMessage = '$7\r\nmessage\r\n'

/** A TCP proxy on loopback in front of a port, with switches for the network's bad days. */
export async function openTcpFaultProxy (t: Test, targetPort: number): Promise<TcpFaultProxy> {
  let fault: TcpFault = 'pass'
  let delayMs = 0
  const sockets = new Set<Socket>()
  const heldBack: Array<() => void> = []
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => { sockets.delete(socket) })
  }
  const later = (deed: () => void): void => {
    if (delayMs === 0) deed()
    else setTimeout(deed, delayMs)
  }

  const server = createServer((client) => {
    keep(client)
    if (fault === 'cut') {
      client.resetAndDestroy()
      return
    }
    const target = connect(targetPort, '127.0.0.1')
    keep(target)
    client.on('data', (bytes) => {
      if (fault === 'blackhole') heldBack.push(() => { target.write(bytes) })
      else later(() => { target.write(bytes) })
    })
    target.on('data', (bytes) => {
      if (fault === 'dropPubSub' && bytes.includes(publishedMessage)) return
      if (fault === 'blackhole') heldBack.push(() => { client.write(bytes) })
      else later(() => { client.write(bytes) })
    })
    const end = (socket: Socket): void => {
      if (fault === 'blackhole') heldBack.push(() => { socket.destroy() })
      else socket.destroy()
    }
    client.on('close', () => { end(target) })
    target.on('close', () => { end(client) })
  })
  // What is being ended can't be reset: libuv refuses (EINVAL), and Node 20 waits for the handle at its end, at full speed, for ever.
  const close = (): void => {
    for (const socket of sockets) {
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    close()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    set (next) {
      fault = next
      if (next !== 'blackhole') for (const deed of heldBack.splice(0)) deed()
      if (next === 'cut') close()
    },
    delay (milliseconds) { delayMs = milliseconds },
  }
}
