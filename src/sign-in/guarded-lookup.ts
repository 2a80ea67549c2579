import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** Every address that a name has now; rejects as `dns.promises.lookup` does. */
export type ResolveName = (hostname: string) => Promise<LookupAddress[]>

/**
 * Resolves a name for the connection that is being made, and hands over only what was judged: there is no second look-up whose answer
 * could be another one (DNS rebinding, T-44). One address that may not be called spoils the whole answer, since it is the name's owner
 * who mixes them.
 *
 * Calls at once to one name share a look-up. The system's resolver has four threads for everybody, and a name whose servers never
 * answer must not take them all.
 */
export function createGuardedLookup (resolve: ResolveName, mayCall: (address: string) => boolean): LookupFunction {
  const flights = new Map<string, Promise<LookupAddress[]>>()

  function lookUp (hostname: string): Promise<LookupAddress[]> {
    const running = flights.get(hostname)
    if (running !== undefined) return running
    const flight = resolve(hostname).finally(() => flights.delete(hostname))
    flights.set(hostname, flight)
    return flight
  }

  return (hostname, options, callback) => {
    lookUp(hostname).then((addresses) => {
      const [first] = addresses
      if (first === undefined || !addresses.every(({ address }) => mayCall(address))) callback(innerAddressError(), '')
      else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    }, (error: NodeJS.ErrnoException) => { callback(error, '') })
  }
}

function innerAddressError (): Error {
  return Object.assign(new Error('the host is an inner address'), { code: 'EINNER' })
}
