import type { Dispatcher } from 'undici'
import type { Clock } from '../../base/clock.ts'
import { Attempts, type AttemptsOptions } from './attempts.ts'
import { chooseServer, type Balance, type Seat } from './choose-server.ts'
import type { UpstreamRequest, UpstreamServer } from './upstream-server.ts'

/** Servers that can answer the same requests. */
export interface UpstreamGroup {
  /**
   * Sends one request to the server whose turn it is. To another one only if it has not reached the first (T-41, C-48): the handler hears
   * `onRequestStart` for no attempt but the last.
   */
  dispatch (request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
}

export interface GroupOptions {
  readonly balance: Balance
  readonly clock: Clock
}

/** @param servers each once */
export function createUpstreamGroup (servers: readonly UpstreamServer[], { balance, clock }: GroupOptions): UpstreamGroup {
  const [only, ...others] = servers
  if (only === undefined) throw new TypeError('an upstream group needs a server')
  // Without a choice nothing that a request could teach would change anything.
  if (others.length === 0) return { dispatch: (request, handler) => { only.send(request, handler) } }

  const places = servers.map((server): Place => ({ server, weight: 1, credit: 0, get load () { return server.load } }))
  const options: AttemptsOptions = { clock, choose: (now, failed) => choosePlace(balance, places, now, failed)?.server }
  return {
    dispatch: (request, handler) => { new Attempts(options, request, handler).next() },
  }
}

/** A server as one group sees it. */
interface Place extends Seat {
  readonly server: UpstreamServer
}

function choosePlace (balance: Balance, places: readonly Place[], now: number, failed: readonly UpstreamServer[]): Place | undefined {
  for (const place of places) {
    // A request that has just met a bad server doesn't try a doubtful one.
    if (failed.length === 0 && place.server.takesTrial(now)) return place
    place.weight = failed.includes(place.server) ? 0 : place.server.weight(now)
  }
  const chosen = chooseServer(balance, places)
  if (chosen !== undefined) return chosen
  // None is in: rather one of those than nobody.
  for (const place of places) place.weight = failed.includes(place.server) ? 0 : 1
  return chooseServer(balance, places)
}
