/** A server's place in a group, as far as the choice looks at it. */
export interface Seat {
  /** Its share against the others'; 0: not to be chosen. */
  weight: number
  /** What it has waited for, in weights. Only `takeTurn` writes it. */
  credit: number
  /** Requests under way. */
  readonly load: number
}

export type Balance = 'round-robin' | 'least-connections'

/**
 * The server that gets the next request: the one whose turn it is; or the one with the fewest requests under way for its weight, of equals
 * the one whose turn it is.
 *
 * @returns undefined if all weights are 0
 */
export function chooseServer<Place extends Seat> (balance: Balance, seats: readonly Place[]): Place | undefined {
  if (balance === 'round-robin') return takeTurn(seats)
  let least = Infinity
  for (const seat of seats) least = Math.min(least, burdenOf(seat))
  return takeTurn(seats, least)
}

/**
 * Round robin that mixes servers of different weight as evenly as it goes: each gains its weight in credit, the richest is chosen and pays
 * for all. What nobody may choose gains nothing, so a server that comes back has saved up no rush.
 *
 * @param mostBurden who carries more is passed over
 */
function takeTurn<Place extends Seat> (seats: readonly Place[], mostBurden = Infinity): Place | undefined {
  let richest: Place | undefined
  let total = 0
  for (const seat of seats) {
    if (seat.weight === 0 || burdenOf(seat) > mostBurden) continue
    total += seat.weight
    seat.credit += seat.weight
    if (richest === undefined || seat.credit > richest.credit) richest = seat
  }
  if (richest !== undefined) richest.credit -= total
  return richest
}

/** What the server would carry with one request more. Infinite for one that nobody may choose. */
function burdenOf ({ weight, load }: Seat): number {
  return (load + 1) / weight
}
