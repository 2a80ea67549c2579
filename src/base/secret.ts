import { inspect } from 'node:util'

/** A value that won't print: not in a log line, a template, JSON or the debugger's inspect (ASVS 16.2.5). */
export class Secret {
  readonly #value: string

  constructor (value: string) {
    this.#value = value
  }

  /** The value itself. Each call is a place to look at in a review. */
  reveal (): string {
    return this.#value
  }

  toString (): string {
    return '[secret]'
  }

  toJSON (): string {
    return '[secret]'
  }

  [inspect.custom] (): string {
    return '[secret]'
  }
}
