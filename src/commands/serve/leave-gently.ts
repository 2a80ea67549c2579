import type { Server as HttpServer } from 'node:http'
import { Server } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { TlsServer } from '../../forward/tls-server.ts'
import { lingerMs } from './worker-messages.ts'

/**
 * Takes no new connection, which the other workers get from now on, and closes none: a request may be under way to one that is idle here,
 * and closing it would drop that request (RFC 9112 §9.6). Each connection's next answer says that it is the last one, or over HTTP/2
 * that there will be no more (RFC 9113 §6.8: a request that crosses this is the client's to repeat).
 *
 * @returns when every connection has ended, or those that are left have been silent or busy for long
 */
export async function leaveGently (servers: readonly HttpServer[]): Promise<void> {
  const ends = servers.map((server) => {
    server.maxRequestsPerSocket = 1
    if (server instanceof TlsServer) server.turnAwaySessions()
    // Not the method of `http`, which closes idle connections too.
    const close: (this: Server, onEnd: () => void) => void = Reflect.get(Server.prototype, 'close')
    return new Promise<void>((resolve) => { close.call(server, resolve) })
  })
  const patience = new AbortController()
  await Promise.race([Promise.all(ends), pause(lingerMs, undefined, { signal: patience.signal }).catch(() => {})])
  patience.abort()
}
