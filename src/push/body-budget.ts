import { Transform, type Readable } from 'node:stream'
import type { ServerResponse } from 'node:http'

/** Small bodies always pass, so that who fills the budget keeps out large lists at most. */
const freeBytes = 65_536

/** Leaves the reading of a body for which there is no room. */
export class NoRoomForBody extends Error {}

/**
 * How many bytes of bodies may be in memory at once. A fresh-looking stamp costs nothing, so before the signature is verified anybody
 * may send 16 MiB on as many connections as he likes (T-25). Bytes count as they arrive: who only declares them takes no room.
 */
export class BodyBudget {
  readonly #limitBytes: number
  #heldBytes = 0

  constructor (limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** The same body, ended by `NoRoomForBody` when it has no room. What it took is given back when its answer is out. */
  guard (body: Readable, response: ServerResponse): Readable {
    let taken = 0
    response.once('close', () => { this.#heldBytes -= Math.max(0, taken - freeBytes) })
    const guarded = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const before = Math.max(0, taken - freeBytes)
        taken += chunk.length
        this.#heldBytes += Math.max(0, taken - freeBytes) - before
        if (this.#heldBytes > this.#limitBytes) done(new NoRoomForBody())
        else done(null, chunk)
      },
    })
    body.once('error', (error) => { guarded.destroy(error) })
    body.once('close', () => { if (!body.readableEnded) guarded.destroy(new Error('the body did not arrive whole')) })
    return body.pipe(guarded)
  }
}
