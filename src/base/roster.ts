/** A member's place in a roster. */
export interface Place {
  /** Does nothing for who has left. */
  leave (): void
}

/**
 * Who is here at the moment, in no order, for members that come and go by the thousand a second.
 *
 * Not a `Set`: V8 gives one with such traffic a new table time and again, and each table that it has left keeps a pointer to the next one
 * (for iterators that are still under way). So an old table in the old generation keeps all later ones alive, each with its
 * members of that moment: of a busy gateway's requests 30 MB more with each second, until the next full collection.
 */
export class Roster<Member> {
  readonly #places: RosterPlace<Member>[] = []

  get size (): number {
    return this.#places.length
  }

  add (member: Member): Place {
    return new RosterPlace(member, this.#places)
  }

  /** A copy: they may leave while it is walked through. */
  members (): Member[] {
    return this.#places.map(({ member }) => member)
  }

  /** Everybody leaves. */
  dismiss (): Member[] {
    const members = this.members()
    while (this.#places.length > 0) this.#places.at(-1)?.leave()
    return members
  }
}

class RosterPlace<Member> implements Place {
  readonly member: Member
  #places: RosterPlace<Member>[] | undefined
  #index: number

  constructor (member: Member, places: RosterPlace<Member>[]) {
    this.member = member
    this.#places = places
    this.#index = places.push(this) - 1
  }

  leave (): void {
    const places = this.#places
    if (places === undefined) return
    this.#places = undefined
    const last = places.pop()
    if (last === undefined || last === this) return
    // The last one takes the place that is free now.
    places[this.#index] = last
    last.#index = this.#index
  }
}
