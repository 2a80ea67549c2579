import cluster, { type Worker } from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import { loadConfig, processSources, type Config } from '../../config/load-config.ts'
import { recordSources, type ConfigFiles } from '../../config/recorded-sources.ts'
import { configWarnings } from '../../config/warnings.ts'
import { nameOfUpstream } from '../../forward/upstreams/upstream-address.ts'
import { createPlainLog } from '../../telemetry/plain-log.ts'
import { crashSignals } from '../crash-signals.ts'
import { exitCodes, printComplaints } from '../report.ts'
import { complaintsAboutReload } from './may-reload.ts'
import { startWorkers, type Addresses, type WorkerGroup } from './worker-group.ts'
import { workerFlags } from './worker-flags.ts'
import { stopMs, type FromWorker, type ToWorker } from './worker-messages.ts'

interface Running {
  readonly config: Config
  readonly group: WorkerGroup
}

/**
 * Starts the workers, starts again those that die, and replaces all of them when the configuration is to be read again (SIGHUP). It takes
 * every connection and gives it to a worker at once, so the addresses stay open while workers come and go.
 *
 * @returns the exit code when nothing could be started, `undefined` while it runs
 */
export async function supervise (): Promise<number | undefined> {
  const read = readConfig()
  if (read.kind === 'invalid') {
    printComplaints('jointgate cannot start', read.complaints)
    return exitCodes.config
  }
  return await new Supervisor(read.config, read.files).run()
}

type ReadConfig = { readonly kind: 'ok', readonly config: Config, readonly files: ConfigFiles } | Extract<ReturnType<typeof loadConfig>, { kind: 'invalid' }>

function readConfig (): ReadConfig {
  const { sources, files } = recordSources(processSources())
  const loaded = loadConfig(sources)
  return loaded.kind === 'invalid' ? loaded : { ...loaded, files }
}

class Supervisor {
  #running: Running
  /** Also those that retire. */
  readonly #groups = new Set<WorkerGroup>()
  #log: ReturnType<typeof createPlainLog>
  #isStopping = false
  #reloading: Promise<void> | undefined
  #isAskedAgain = false

  constructor (config: Config, files: ConfigFiles) {
    // Whatever NODE_CLUSTER_SCHED_POLICY says: where workers take connections by themselves, one gets most of them.
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({ execArgv: [...process.execArgv, ...workerFlags] })
    cluster.on('message', passOn)
    this.#log = createPlainLog(config.log.level)
    this.#handleSignals()
    this.#running = { config, group: this.#start(config, files) }
  }

  async run (): Promise<number | undefined> {
    const { config, group } = this.#running
    for (const warning of configWarnings(config)) this.#log('warn', { event: 'config.warning' }, warning)
    const start = await group.start
    if (this.#isStopping) return undefined
    if (start.kind === 'failed') {
      this.#isStopping = true
      await group.stop()
      return start.exitCode
    }
    const { publicAddress, operatorAddress, publicUrl } = { ...start, ...config.application }
    this.#log('info', { event: 'gateway.started', ...describe(config, start) },
      `ready: ${publicUrl} is served at ${publicAddress}, health at ${operatorAddress}`)
    return undefined
  }

  #start (config: Config, files: ConfigFiles): WorkerGroup {
    const group = startWorkers({
      count: config.workers,
      files,
      log: (...line) => { this.#log(...line) },
      onHopeless: (exitCode) => {
        this.#log('fatal', { event: 'gateway.failed' }, 'no worker can be started any more')
        process.exit(exitCode)
      },
    })
    this.#groups.add(group)
    return group
  }

  #handleSignals (): void {
    const logger = { error: (message: unknown) => { this.#log('error', { event: 'gateway.stop-forced' }, String(message)) } }
    // A little longer than the workers give their requests.
    closeWithGrace({ delay: stopMs + 2_000, logger, skip: ['SIGHUP', 'beforeExit', ...crashSignals] }, async ({ err, signal }) => {
      this.#isStopping = true
      if (err === undefined) this.#log('info', { event: 'gateway.stopping', signal }, 'stopping')
      else this.#log('fatal', { event: 'gateway.failed', err }, 'stopping after a fault that nobody caught')
      const outcomes = await Promise.all([...this.#groups].map((group) => group.stop()))
      if (outcomes.includes(false)) process.exit(exitCodes.fault)
    })
    process.on('SIGHUP', () => {
      if (this.#reloading === undefined) this.#reloading = this.#reload().finally(() => { this.#reloading = undefined })
      else this.#isAskedAgain = true
    })
  }

  async #reload (): Promise<void> {
    do {
      this.#isAskedAgain = false
      if ((await this.#running.group.start).kind === 'ready' && !this.#isStopping) await this.#replaceWorkers()
    } while (this.#isAskedAgain)
  }

  /** Variables of the process don't change; files do. */
  async #replaceWorkers (): Promise<void> {
    const read = readConfig()
    if (read.kind === 'invalid') return this.#refuse(read.complaints)
    const { config, files } = read
    const complaints = complaintsAboutReload(this.#running.config, config)
    if (complaints.length > 0) return this.#refuse(complaints)
    const group = this.#start(config, files)
    const start = await group.start
    if (this.#isStopping) return
    if (start.kind === 'failed') {
      await group.stop()
      this.#groups.delete(group)
      return this.#refuse([`a worker could not start with it and ended with ${start.exitCode}; what it said is on stderr`])
    }
    const before = this.#running.group
    this.#running = { config, group }
    this.#log = createPlainLog(config.log.level)
    void before.end.then(() => { this.#groups.delete(before) })
    await before.retire(files)
    for (const warning of configWarnings(config)) this.#log('warn', { event: 'config.warning' }, warning)
    const { kitKeys, productionKeys, privateKeys } = config.marketplace
    const counts = { kitKeys: kitKeys.length, productionKeys: productionKeys.length, privateKeys: privateKeys.length }
    this.#log('info', { event: 'config.reloaded', ...describe(config, start), ...counts }, 'the configuration was read again, new workers serve with it')
  }

  #refuse (complaints: readonly string[]): void {
    this.#log('error', { event: 'config.refused', complaints }, 'everything stays as it was: the configuration cannot be used')
  }
}

function describe ({ application, workers }: Config, { publicAddress, operatorAddress }: Addresses): Record<string, unknown> {
  return { publicUrl: application.publicUrl, publicAddress, operatorAddress, upstream: application.upstream.map(nameOfUpstream), workers }
}

/** What one worker has changed in the store the others hear of at once; their own looks come up to a quarter of a second later. */
function passOn (sender: Worker, message: FromWorker): void {
  if (message.kind !== 'changed') return
  for (const worker of Object.values(cluster.workers ?? {})) {
    if (worker !== undefined && worker !== sender && worker.isConnected()) worker.send(message satisfies ToWorker, () => {})
  }
}
