import { Roster, type Place } from '../base/roster.ts'

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
  /** To be left when the exchange is over. */
  add (exchange: Exchanging): Place
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
  const watched = new Roster<Watched>()

  const timer = setInterval(() => {
    for (const one of watched.members()) {
      const { waitsForClient, movedBytes } = one.exchange
      if (!waitsForClient || one.seenBytes === undefined || movedBytes - one.seenBytes >= leastBytes) {
        one.seenBytes = movedBytes
        one.looks = 0
      } else if (++one.looks >= patienceLooks) {
        one.place?.leave()
        one.exchange.giveUp()
      }
    }
  }, lookEveryMs).unref()

  return {
    add (exchange) {
      const one: Watched = { exchange, seenBytes: undefined, looks: 0, place: undefined }
      one.place = watched.add(one)
      return one.place
    },
    close () { clearInterval(timer) },
  }
}

interface Watched {
  readonly exchange: Exchanging
  /** As far as it had come when it last moved enough. */
  seenBytes: number | undefined
  /** How often it was looked at since. */
  looks: number
  place: Place | undefined
}
