import { createConnection, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { AbstractConnector, SentinelConnector } from 'ioredis'
import type { RedisNode } from './redis-settings.ts'

const disconnectTimeoutMs = 500

/**
 * How a client gets to its server, in place of ioredis' own way: that listens for one error of a socket only, and a TLS socket that is
 * closed in its handshake has two; the second would end the process.
 *
 * @param nodes several to choose from, the next one each time; `undefined` for the one that the client's options name. For the
 *   subscriber of a cluster: every node hears every notification, and ioredis' own cluster subscriber doesn't say whether it is connected.
 */
export function nodeConnector (tls: ConnectionOptions | undefined, nodes?: readonly RedisNode[]) {
  return class NodeConnector extends AbstractConnector {
    readonly #nodes: readonly RedisNode[]
    #attempt: number

    constructor (options: unknown) {
      super(disconnectTimeoutMs)
      this.#nodes = nodes ?? [options as RedisNode]
      this.#attempt = Math.floor(Math.random() * this.#nodes.length)
    }

    connect (): Promise<Socket> {
      this.connecting = true
      const { host, port } = this.#nodes[this.#attempt++ % this.#nodes.length] as RedisNode
      const stream: Socket = tls === undefined ? createConnection({ host, port }) : connectTls({ host, port, ...tls })
      stream.on('error', (error: Error) => { this.firstError = error })
      this.stream = stream
      return Promise.resolve(stream)
    }
  }
}

/** The same care for a client that asks sentinels for its server. */
export class ListeningSentinelConnector extends SentinelConnector {
  override async connect (...given: Parameters<SentinelConnector['connect']>): ReturnType<SentinelConnector['connect']> {
    const stream = await super.connect(...given)
    stream.on('error', () => undefined)
    return stream
  }
}
