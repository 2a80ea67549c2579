import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import type { Place } from '../base/roster.ts'
import { shortRef } from '../session/session.ts'
import type { LiveStream, LiveStreams, StreamEnd } from './live-streams.ts'
import { closeCodes, closeFrame, FrameBoundary } from './web-socket-frames.ts'

/** How long one side may take to close after the other has. */
const lingerMs = 1_000
/** A peer that has vanished without a word is found by the system. */
const keepAliveMs = 30_000

export interface TunnelEnds {
  readonly client: Socket
  readonly upstream: Socket
}

/**
 * Bytes both ways, as fast as the slower side takes them and never more than the sockets' own buffers: what would be put into frames
 * again could not be held back. It ends with either side, or with the session.
 */
export function openTunnel (ends: TunnelEnds, session: LiveStream['session'], streams: LiveStreams, log: FastifyBaseLogger): void {
  new Tunnel(ends, session, streams, log).open()
}

class Tunnel implements LiveStream {
  readonly session: LiveStream['session']
  readonly isEndless = true
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #streams: LiveStreams
  readonly #log: FastifyBaseLogger
  readonly #toClient = new FrameBoundary()
  #place: Place | undefined

  constructor ({ client, upstream }: TunnelEnds, session: LiveStream['session'], streams: LiveStreams, log: FastifyBaseLogger) {
    this.#client = client
    this.#upstream = upstream
    this.session = session
    this.#streams = streams
    this.#log = log
  }

  open (): void {
    const [client, upstream] = [this.#client, this.#upstream]
    // The client's errors are heard already; of both sides the close is what counts.
    upstream.on('error', () => {})
    upstream.on('data', (bytes: Buffer) => { this.#toClient.see(bytes) })
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      from.setTimeout(0).setKeepAlive(true, keepAliveMs)
      from.pipe(to)
      from.once('close', () => { if (!to.writableEnded) to.destroy() })
      to.once('finish', () => { this.#destroySoon() })
    }
    client.once('close', () => { this.#place?.leave() })
    this.#place = this.#streams.add(this)
    // Either may have gone while the answer was on its way.
    if (client.destroyed || upstream.destroyed) this.#destroy()
  }

  end (reason: StreamEnd): void {
    const sessionRef = this.session && shortRef(this.session.ref)
    this.#log.info({ event: 'forward.stream-ended', stream: 'web-socket', reason, sessionRef }, 'a WebSocket was closed')
    this.#place?.leave()
    const mayTell = this.#toClient.isHere && !this.#client.writableEnded
    this.#client.unpipe()
    this.#upstream.unpipe()
    this.#upstream.destroy()
    // In the middle of a frame nothing can be said.
    if (!mayTell) return this.#destroy()
    this.#client.end(closeFrame(closeCodeOf(reason), reason))
    // Unread bytes would turn the close into a reset, which may overtake the frame.
    this.#client.resume()
    this.#destroySoon()
  }

  #destroySoon (): void {
    setTimeout(() => { this.#destroy() }, lingerMs).unref()
  }

  #destroy (): void {
    this.#client.destroy()
    this.#upstream.destroy()
  }
}

function closeCodeOf (reason: StreamEnd): number {
  if (reason === 'gateway-closing') return closeCodes.goingAway
  return reason === 'storage-unavailable' ? closeCodes.tryAgainLater : closeCodes.policyViolation
}
