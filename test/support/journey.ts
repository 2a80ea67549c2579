import { Browser, type Answer } from './browser.ts'

export interface Journey {
  /** Where the browser stood and what it did there, in order. */
  readonly hops: readonly URL[]
  readonly answer: Answer
}

/** Twice what the longest way through two servers needs. */
const mostHops = 30

/** One person's browser among several servers: a cookie jar per origin, redirects followed, the provider's pages answered. */
export class Traveller {
  readonly #browsers = new Map<string, Browser>()
  readonly #userName: string

  /** @param userName typed wherever a page asks for a login */
  constructor (userName: string) {
    this.#userName = userName
  }

  at (origin: string): Browser {
    const browser = this.#browsers.get(origin) ?? new Browser(origin)
    this.#browsers.set(origin, browser)
    return browser
  }

  /**
   * Goes wherever the answers lead and stays at the first page without a form of the provider.
   *
   * @param stopAt stays before an address for which this is true: what a browser shows in its address bar
   */
  async go (start: string, stopAt: (url: URL) => boolean = () => false): Promise<Journey> {
    const hops: URL[] = []
    let from: URL | undefined
    let to = new URL(start)
    let form: Record<string, string> | undefined
    while (hops.length < mostHops) {
      hops.push(to)
      const isForeign = from !== undefined && from.origin !== to.origin
      const answer = await this.at(to.origin).open(to.href, {
        headers: { 'sec-fetch-site': from === undefined ? 'none' : isForeign ? 'cross-site' : 'same-origin' },
        ...(form === undefined ? {} : { method: 'POST' as const, form }),
      })
      const next = answer.location === '' ? this.#formOf(answer) : { to: answer.location }
      if (next === undefined) return { hops, answer }
      from = to
      to = new URL(next.to, to)
      form = 'form' in next ? next.form : undefined
      if (stopAt(to)) return { hops: [...hops, to], answer }
    }
    throw new Error(`no end after ${mostHops} hops: ${hops.slice(-4).map(String).join(' → ')}`)
  }

  /** The provider's own pages: a name and any password, then consent. */
  #formOf (answer: Answer): { to: string, form: Record<string, string> } | undefined {
    const to = /<form[^>]* action="([^"]*\/interaction\/[^"]*)"/.exec(answer.body)?.[1]
    const prompt = /name="prompt" value="(\w+)"/.exec(answer.body)?.[1]
    if (to === undefined || prompt === undefined) return undefined
    return { to, form: prompt === 'login' ? { prompt, login: this.#userName, password: 'any' } : { prompt } }
  }
}
