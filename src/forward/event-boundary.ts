/** The end of an event: an empty line, whatever ends lines (WHATWG HTML §9.2.5). */
const eventEnd = /(?:\n\n|\r\r|\n\r\n)$/
const kept = 3

/** Follows an event stream as its bytes pass by, to know when an event of ours could be put in between. */
export class EventBoundary {
  #tail = '\n\n'

  /** Whether all events so far are whole. */
  get isHere (): boolean {
    return eventEnd.test(this.#tail)
  }

  see (bytes: Buffer): void {
    this.#tail = (this.#tail + bytes.toString('latin1', Math.max(0, bytes.length - kept))).slice(-kept)
  }
}

/** What a client of an event stream hears last. `EventSource` connects again by itself and gets the refusal as an answer. */
export function endEvent (reason: string): string {
  return `event: jointgate-session-ended\ndata: ${reason}\n\n`
}
