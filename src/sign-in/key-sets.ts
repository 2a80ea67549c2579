import { createLocalJWKSet, errors, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../base/clock.ts'
import type { Outbound } from './outbound-fetch.ts'

/** The authorization server's keys could not be had; it may work a little later. */
export class KeysUnavailable extends Error {}

type KeySet = ReturnType<typeof createLocalJWKSet>
interface Held { readonly keys: KeySet | undefined, readonly askedAt: number }

/** How long keys are good without asking again; a key taken back lives on for so long. */
const freshMs = 600_000
/** How soon a server may be asked again, whatever tokens say: anybody can send one that names an unknown key. */
const coolDownMs = 30_000
const mostServers = 1_000
const mostKeys = 100

/**
 * The public keys of tenants' authorization servers, from their configured address only: what a token's header says of keys (`jku`,
 * `x5u`, `jwk`) is not looked at (C-14).
 */
export function createKeySets ({ outbound, clock }: { outbound: Pick<Outbound, 'fetch'>, clock: Clock }) {
  const held = new Map<string, Held>()
  const flights = new Map<string, Promise<Held>>()

  async function ask (address: string): Promise<Held> {
    const askedAt = clock.now()
    const keys = await fetchKeys(outbound, address).catch(() => held.get(address)?.keys)
    if (held.size >= mostServers) held.delete(held.keys().next().value ?? '')
    const now = { keys, askedAt }
    held.set(address, now)
    return now
  }

  function askOnce (address: string): Promise<Held> {
    const running = flights.get(address)
    if (running !== undefined) return running
    const flight = ask(address).finally(() => flights.delete(address))
    flights.set(address, flight)
    return flight
  }

  /** Keys not older than `maxAgeMs`, but no question sooner than the cool-down allows. */
  async function keysOf (address: string, maxAgeMs: number): Promise<KeySet> {
    const known = held.get(address)
    const isOld = known === undefined || clock.now() - known.askedAt >= (known.keys === undefined ? coolDownMs : maxAgeMs)
    const { keys } = isOld ? await askOnce(address) : known
    if (keys === undefined) throw new KeysUnavailable()
    return keys
  }

  /** jose's way to ask for the key of a token; throws `KeysUnavailable` if the server gave none. */
  return (address: string): JWTVerifyGetKey => async (header, token) => {
    try {
      return await (await keysOf(address, freshMs))(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // A new key may have come since.
      return (await keysOf(address, coolDownMs))(header, token)
    }
  }
}

async function fetchKeys (outbound: Pick<Outbound, 'fetch'>, address: string): Promise<KeySet> {
  const answer = await outbound.fetch(address, { method: 'GET', headers: { accept: 'application/json' }, body: undefined, redirect: 'manual' })
  if (answer.status !== 200) throw new Error(`the key set was answered with ${answer.status}`)
  const { keys } = await answer.json() as Partial<JSONWebKeySet>
  if (!Array.isArray(keys) || keys.length > mostKeys) throw new Error('no key set')
  return createLocalJWKSet({ keys: keys.filter(isPublic) })
}

/** What a server would not publish can't tell who signed. */
function isPublic (key: JWK | null): boolean {
  return typeof key === 'object' && key !== null && key.kty !== 'oct' && key.d === undefined
}
