import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

const offered = Symbol('offered')

/**
 * A request that is an upgrade only if it is one that we take. Node hands over every upgrade or none: with this class in the server's
 * options an `h2c` offer, which Java's client makes with each request, stays the plain request that it also is (RFC 9110 §7.8).
 */
export class UpgradableMessage extends IncomingMessage {
  declare [offered]: boolean | null

  get upgrade (): boolean {
    return this[offered] === true && (this.method === 'CONNECT' || offersWebSocket(this))
  }

  /** Node says so when it has read the headers. */
  set upgrade (isOffered: boolean | null) {
    this[offered] = isOffered
  }
}

/** Whether the request came by `acceptUpgrades`: a WebSocket's opening handshake as to method, version and body (RFC 6455 §4.1). */
export function isUpgrade (request: IncomingMessage): boolean {
  return request instanceof UpgradableMessage && request.upgrade
}

function offersWebSocket ({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
}

/**
 * Brings upgrades to the routes like any other request: same judgement of the address, same hooks, same faults. Whatever is answered
 * closes the connection; `detachSocket` takes it over.
 */
export function acceptUpgrades (app: FastifyInstance): void {
  app.server.prependListener('request', endAfterOffer)
  app.server.prependListener('checkContinue', endAfterOffer)
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Who has gone is told nothing.
    socket.on('error', () => {})
    const response = new ServerResponse(request)
    // A client must wait for the answer (RFC 6455 §4.1). What it sends before is meant for somebody who reads it otherwise (T-24).
    if (head.length > 0 || !takesOver(response, socket)) {
      socket.destroy()
      return
    }
    response.shouldKeepAlive = false
    response.once('finish', () => { socket.destroySoon() })
    socket.on('drain', () => { if (response.writableNeedDrain) response.emit('drain') })
    watchForEnd(socket)
    app.routing(request, response)
  })
}

/**
 * Node's parser stops behind each offer and loses what came in one go with it, be it half of a request. So nothing comes behind an offer
 * that we don't take (T-24).
 */
function endAfterOffer (request: IncomingMessage, response: ServerResponse): void {
  if (request instanceof UpgradableMessage && request[offered] === true) response.shouldKeepAlive = false
}

/** `false` if an answer to a request before it is still under way: two at once would run into each other. */
function takesOver (response: ServerResponse, socket: Socket): boolean {
  try {
    response.assignSocket(socket)
    return true
  } catch {
    return false
  }
}

function watchForEnd (socket: Socket): void {
  socket.on('data', closeEarly).on('end', closeEarly)
}

function closeEarly (this: Socket): void {
  this.destroy()
}

/** The bare connection, when the answer is `101`. Nothing of it has been read. */
export function takeSocket (response: ServerResponse): Socket | undefined {
  const { socket } = response
  if (socket === null) return undefined
  response.detachSocket(socket)
  socket.off('data', closeEarly).off('end', closeEarly).pause()
  return socket
}
