import { request, type Dispatcher } from 'undici'

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
  /** `Location`, '' if there is none. */
  readonly location: string
}

interface Visit {
  readonly method?: Dispatcher.HttpMethod
  readonly headers?: Record<string, string>
  readonly form?: Record<string, string>
}

/** Keeps cookies as a browser does and sends the headers of a page view; follows nothing by itself. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #origin: string

  constructor (origin: string) {
    this.#origin = origin
  }

  /** A page view, from a link of our own site unless `headers` say otherwise. */
  async open (address: string, { method = 'GET', headers = {}, form }: Visit = {}): Promise<Answer> {
    const answer = await request(new URL(address, this.#origin), {
      method,
      headers: {
        accept: 'text/html,application/xhtml+xml',
        'accept-language': 'en',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'sec-fetch-site': 'same-origin',
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(this.cookies.size > 0 ? { cookie: this.cookieHeader() } : {}),
        ...headers,
      },
      ...(form === undefined ? {} : { body: new URLSearchParams(form).toString() }),
    })
    this.#keep(answer.headers['set-cookie'])
    const { location } = answer.headers
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text(), location: typeof location === 'string' ? location : '' }
  }

  /** Submits a form of a page of ours. */
  submit (address: string, form: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.open(address, { method: 'POST', form, headers })
  }

  /** A call by a script of the application. */
  fetch (address: string, visit: Visit = {}): Promise<Answer> {
    return this.open(address, { ...visit, headers: { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', ...visit.headers } })
  }

  cookieHeader (): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  #keep (setCookies: string | string[] | undefined): void {
    for (const line of [setCookies ?? []].flat()) {
      const [pair = '', ...attributes] = line.split(';')
      const name = pair.slice(0, pair.indexOf('='))
      const value = pair.slice(pair.indexOf('=') + 1)
      const isGone = attributes.some((attribute) => /^ *(?:max-age=0|expires=thu, 01 jan 1970)/i.test(attribute))
      if (isGone) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }
}
