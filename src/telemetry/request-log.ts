import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import type { ClientAddressOf } from '../base/client-address.ts'

type Bindings = Parameters<FastifyBaseLogger['child']>[0]
type ChildOptions = Parameters<FastifyBaseLogger['child']>[1]
type Level = Exclude<keyof FastifyBaseLogger, 'level' | 'child'>

/**
 * A request's logger, made when it writes its first line. Most requests write none, and to make a child of a logger that redacts
 * costs about as much as to find out who sent the request.
 */
class RequestLog implements FastifyBaseLogger {
  readonly #parent: FastifyBaseLogger
  readonly #bindings: Bindings
  readonly #options: ChildOptions
  readonly #addressOf: () => string
  #made: FastifyBaseLogger | undefined

  constructor (parent: FastifyBaseLogger, bindings: Bindings, options: ChildOptions, addressOf: () => string) {
    this.#parent = parent
    this.#bindings = bindings
    this.#options = options
    this.#addressOf = addressOf
  }

  get level (): string { return this.#parent.level }

  fatal (...line: unknown[]): void { this.#write('fatal', line) }

  error (...line: unknown[]): void { this.#write('error', line) }

  warn (...line: unknown[]): void { this.#write('warn', line) }

  info (...line: unknown[]): void { this.#write('info', line) }

  debug (...line: unknown[]): void { this.#write('debug', line) }

  trace (...line: unknown[]): void { this.#write('trace', line) }

  silent (...line: unknown[]): void { this.#write('silent', line) }

  child (bindings: Bindings, options?: ChildOptions): FastifyBaseLogger {
    return this.#log().child(bindings, options)
  }

  #log (): FastifyBaseLogger {
    this.#made ??= this.#parent.child({ ...this.#bindings, clientAddress: this.#addressOf() }, this.#options)
    return this.#made
  }

  #write (level: Level, line: unknown[]): void {
    const log = this.#log()
    Reflect.apply(log[level], log, line)
  }
}

/** Fastify's `childLoggerFactory` option: each line says which request it is about and who sent it (C-65). */
export function createRequestLog (clientAddressOf: ClientAddressOf): NonNullable<FastifyServerOptions['childLoggerFactory']> {
  return (logger, bindings, options, request) => new RequestLog(logger, bindings, options, () => clientAddressOf(request))
}
