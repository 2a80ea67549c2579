/** A request or response under way whose client may keep everybody waiting. */
export interface Exchanging {
  /** Whether nobody but the client is waited for: for the rest of what it sends, or for room to send to it. */
  readonly waitsForClient: boolean
  /** Bytes taken from it and given to it until now. */
  readonly movedBytes: number
  /** Must not throw. */
  giveUp (): void
}

export interface StalledClients {
  add (exchange: Exchanging): void
  remove (exchange: Exchanging): void
  close (): void
}

const lookEveryMs = 5_000
/** Less than this in a minute, and the client is gone for all that we know; a slow one on a bad line gives and takes more. */
const leastBytes = 1024
const patienceLooks = 12

/**
 * Gives up on clients that hold a connection to the application without using it (T-25, slow bodies and slow readers). Looked at by one
 * timer for all: a clock of its own would cost every request something, and hardly any is here for long enough.
 */
export function openStalledClients (): StalledClients {
  const watched = new Map<Exchanging, { bytes: number, looks: number } | undefined>()

  const timer = setInterval(() => {
    for (const [exchange, mark] of watched) {
      const { movedBytes } = exchange
      if (mark === undefined || !exchange.waitsForClient || movedBytes - mark.bytes >= leastBytes) {
        watched.set(exchange, { bytes: movedBytes, looks: 0 })
      } else if (++mark.looks >= patienceLooks) {
        watched.delete(exchange)
        exchange.giveUp()
      }
    }
  }, lookEveryMs).unref()

  return {
    add (exchange) { if (!watched.has(exchange)) watched.set(exchange, undefined) },
    remove (exchange) { watched.delete(exchange) },
    close () { clearInterval(timer) },
  }
}
