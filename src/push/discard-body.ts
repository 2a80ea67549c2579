import type { IncomingMessage } from 'node:http'

const maximumBytes = 64 * 1024 * 1024
const patienceMilliseconds = 5_000

/**
 * Reads the rest of a body and keeps nothing of it, so that the answer can be read: a client that is still sending when the
 * connection closes gets a reset in place of the answer (RFC 9112 §9.6). Bounded in bytes and time.
 *
 * @returns whether the body came to its end
 */
export async function discardBody (message: IncomingMessage): Promise<boolean> {
  if (message.readableEnded || message.destroyed) return true
  return new Promise((resolve) => {
    let seen = 0
    const finish = (): void => {
      clearTimeout(timer)
      resolve(message.readableEnded)
    }
    const timer = setTimeout(finish, patienceMilliseconds)
    message.on('data', (chunk: Buffer) => {
      seen += chunk.length
      if (seen > maximumBytes) finish()
    })
    message.once('end', finish).once('error', finish).once('close', finish)
    // Whoever was reading has given up, and would hold it back.
    message.unpipe()
    message.resume()
  })
}
