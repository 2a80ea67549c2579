import type { Dispatcher } from 'undici'
import type { UpstreamOptions, UpstreamServer } from './upstream-server.ts'

/** Who hasn't answered by then isn't well. */
const maxCheckMs = 10_000
/** Of a longer answer nobody wants the rest. */
const maxBodyBytes = 65_536

const overlong = new Error('the answer to a check is too long')

/**
 * Asks a server for the health path, each time so long after its last answer: a slow one never has two checks to answer.
 *
 * @returns what stops it
 */
export function startHealthChecks (server: UpstreamServer, path: string, { healthIntervalSeconds, schedule }: UpstreamOptions): () => void {
  const intervalMs = healthIntervalSeconds * 1000
  const headersTimeout = Math.min(intervalMs, maxCheckMs)
  let isStopped = false
  let callOff = (): void => {}
  let last: Check | undefined

  function ask (): void {
    last?.leave()
    last = new Check((isGood) => {
      if (isStopped) return
      server.wasChecked(isGood)
      callOff = schedule(intervalMs, ask)
    })
    // Nobody's identity is in it: what answers must be for everybody.
    server.send({ method: 'GET', path, headers: ['user-agent', 'jointgate-health-check'], headersTimeout }, last)
  }

  ask()
  return () => {
    isStopped = true
    callOff()
  }
}

/** One question. The head of the answer decides; a short body is read, so that the connection serves on. */
class Check implements Dispatcher.DispatchHandler {
  readonly #tell: (isGood: boolean) => void
  #controller: Dispatcher.DispatchController | undefined
  #isTold = false
  #bytes = 0

  constructor (tell: (isGood: boolean) => void) {
    this.#tell = tell
  }

  leave (): void {
    this.#controller?.abort(overlong)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number): void {
    if (status >= 200) this.#tellOnce(status < 400)
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > maxBodyBytes) this.leave()
  }

  onResponseEnd (): void {}

  onResponseError (): void {
    this.#tellOnce(false)
  }

  #tellOnce (isGood: boolean): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#tell(isGood)
  }
}
