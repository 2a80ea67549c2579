import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { closeGentlyAfter } from '../base/close-gently.ts'

/** What a client sends behind the head of its request, on its way to the upstream. */
export class RequestBody {
  readonly #incoming: IncomingMessage
  #isBegun = false
  #takenBytes = 0

  constructor (incoming: IncomingMessage) {
    this.#incoming = incoming
  }

  get takenBytes (): number {
    return this.#takenBytes
  }

  /** Whether what is missing is with the client and not with us. */
  get waitsForClient (): boolean {
    return this.#isBegun && !this.#incoming.complete && this.#incoming.readableLength === 0
  }

  /**
   * For undici; `null`: the request has no body. As an iterable, which undici takes though its types don't say so: a stream it would
   * destroy, and with it the client's connection, on which a fault has yet to be answered.
   */
  source (): Readable | null {
    const { headers } = this.#incoming
    if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return null
    const iterable = { [Symbol.asyncIterator]: () => this.#read() }
    return iterable as unknown as Readable
  }

  async * #read (): AsyncGenerator<Buffer, void> {
    this.#isBegun = true
    for await (const chunk of this.#incoming.iterator({ destroyOnReturn: false })) {
      this.#takenBytes += (chunk as Buffer).length
      yield chunk as Buffer
    }
  }

  /**
   * The rest of a body that undici has begun to read has no reader any more: it must not stand before the next request (T-24).
   *
   * @returns whether the connection has to end with the answer
   */
  leave (): boolean {
    if (!this.#isBegun || this.#incoming.complete) return false
    closeGentlyAfter(this.#incoming)
    return true
  }
}
