import cluster, { type Worker } from 'node:cluster'
import type { ConfigFiles } from '../../config/recorded-sources.ts'
import type { WritePlainLog } from '../../telemetry/plain-log.ts'
import { exitCodes } from '../report.ts'
import { stopMs, type FromWorker, type ToWorker } from './worker-messages.ts'

export interface Addresses { readonly publicAddress: string, readonly operatorAddress: string }

export type Start = { readonly kind: 'ready' } & Addresses | { readonly kind: 'failed', readonly exitCode: number }

/** The workers that run one configuration. */
export interface WorkerGroup {
  /** The outcome when all are ready, or as soon as one has ended before. */
  readonly start: Promise<Start>
  /** Others have taken over, with what these files hold. @returns when no request will come to these that knows of nothing */
  retire (files: ConfigFiles): Promise<void>
  /** When the last one has ended that was told to go. */
  readonly end: Promise<void>
  /** Ends them. @returns whether all have ended in order */
  stop (): Promise<boolean>
}

export interface WorkerGroupOptions {
  readonly count: number
  readonly files: ConfigFiles
  readonly log: WritePlainLog
  /** None is left, and one after the other cannot start. */
  readonly onHopeless: (exitCode: number) => void
}

/** Deaths within this time are counted together. */
const deathWindowMs = 60_000
const longestPauseMs = 30_000
const mostFailedStarts = 5

/** Of the deaths until now, how long to wait before the next start: the first is started again at once. */
function pauseAfter (deaths: number): number {
  return deaths <= 1 ? 0 : Math.min(longestPauseMs, 100 * 2 ** (deaths - 2))
}

export function startWorkers ({ count, files, log, onHopeless }: WorkerGroupOptions): WorkerGroup {
  const workers = new Map<Worker, 'starting' | 'ready'>()
  const timers = new Set<NodeJS.Timeout>()
  let deaths: number[] = []
  let failedStarts = 0
  let phase: 'starting' | 'running' | 'leaving' = 'starting'
  let isOrderly = true
  let onAllEnded = (): void => {}
  const allEnded = new Promise<void>((resolve) => { onAllEnded = resolve })

  const tell = (worker: Worker, message: ToWorker): void => {
    if (worker.isConnected()) worker.send(message, () => {})
  }

  function startAgain (pid: number | undefined, how: { code: number | null, signal: string | null }): void {
    const now = performance.now()
    deaths = [...deaths.filter((at) => at > now - deathWindowMs), now]
    const pauseMs = pauseAfter(deaths.length)
    log('error', { event: 'worker.ended', pid, ...how, pauseMs }, 'a worker has ended; another one is started')
    const timer = setTimeout(() => {
      timers.delete(timer)
      void startOne().then((outcome) => {
        if (outcome.kind === 'ready') log('info', { event: 'worker.started', ...outcome }, 'a worker is ready in its place')
      })
    }, pauseMs)
    timers.add(timer)
  }

  function onEnd (worker: Worker, code: number | null, signal: string | null): void {
    const wasReady = workers.get(worker) === 'ready'
    workers.delete(worker)
    const exitCode = code === null || code === exitCodes.ok ? exitCodes.fault : code
    if (phase === 'leaving') {
      if (code !== exitCodes.ok) isOrderly = false
      if (workers.size === 0) onAllEnded()
    } else if (phase === 'running') {
      failedStarts = wasReady ? 0 : failedStarts + 1
      if (failedStarts >= mostFailedStarts && ![...workers.values()].includes('ready')) onHopeless(exitCode)
      else startAgain(worker.process.pid, { code, signal })
    }
  }

  function startOne (): Promise<{ pid: number | undefined } & Start> {
    const worker = cluster.fork()
    const { pid } = worker.process
    workers.set(worker, 'starting')
    return new Promise((resolve) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'awake') tell(worker, { kind: 'start', files })
        if (message.kind !== 'ready') return
        workers.set(worker, 'ready')
        failedStarts = 0
        const { publicAddress, operatorAddress } = message
        resolve({ pid, kind: 'ready', publicAddress, operatorAddress })
      })
      worker.once('exit', (code: number | null, signal: string | null) => {
        onEnd(worker, code, signal)
        resolve({ pid, kind: 'failed', exitCode: code === null || code === exitCodes.ok ? exitCodes.fault : code })
      })
    })
  }

  /** One goes first: it makes what a new store lacks, and complains alone where there is something to complain of. */
  async function startAll (): Promise<Start> {
    const first = await startOne()
    const others = first.kind === 'failed' ? [] : await Promise.all(Array.from({ length: count - 1 }, startOne))
    const failed = [first, ...others].find(({ kind }) => kind === 'failed')
    if (phase === 'starting' && failed === undefined) phase = 'running'
    return failed ?? first
  }

  function leave (order: Exclude<ToWorker, { kind: 'start' | 'changed' }>): void {
    phase = 'leaving'
    for (const timer of timers) clearTimeout(timer)
    for (const [worker, state] of workers) {
      // One that isn't ready has taken no request.
      if (state === 'ready') tell(worker, order)
      else worker.process.kill('SIGKILL')
    }
    if (workers.size === 0) onAllEnded()
  }

  return {
    start: startAll(),
    end: allEnded,
    async retire (next) {
      const answers = [...workers].filter(([, state]) => state === 'ready').map(([worker]) => new Promise<void>((resolve) => {
        worker.on('message', ({ kind }: FromWorker) => { if (kind === 'retiring') resolve() })
        worker.once('exit', () => { resolve() })
      }))
      leave({ kind: 'retire', files: next })
      await Promise.all(answers)
    },
    async stop () {
      leave({ kind: 'stop' })
      // Each keeps to its own time; this is for one that no longer hears.
      const timer = setTimeout(() => { for (const worker of workers.keys()) worker.process.kill('SIGKILL') }, stopMs + 1_000)
      await allEnded
      clearTimeout(timer)
      return isOrderly
    },
  }
}
