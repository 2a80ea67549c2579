import closeWithGrace from 'close-with-grace'
import { systemClock } from '../../base/clock.ts'
import { compose, type Gateway } from '../../compose.ts'
import { loadConfig, processSources, type Config } from '../../config/load-config.ts'
import { replaySources, type ConfigFiles } from '../../config/recorded-sources.ts'
import { rehearseHttp } from '../../forward/rehearse-http.ts'
import { UnsafeStorageError } from '../../storage/unsafe-storage-error.ts'
import { crashSignals } from '../crash-signals.ts'
import { exitCodes, printComplaints } from '../report.ts'
import { leaveGently } from './leave-gently.ts'
import { openWorkerLink, type Orders, type WorkerLink } from './worker-link.ts'
import { retireMs, stopMs } from './worker-messages.ts'

/**
 * One of the processes that take requests: a whole gateway. Whatever nobody caught is logged and ends it with 1, since its state can't be
 * trusted any more (C-64); the supervisor starts another one.
 */
export async function runWorker (): Promise<void> {
  // The terminal and the service manager may say it to all: it is for the supervisor to act on.
  process.on('SIGHUP', () => {})
  let orders: Orders = { stop: () => { process.exit(exitCodes.ok) }, retire: () => { process.exit(exitCodes.ok) } }
  const link = openWorkerLink({ stop: () => { orders.stop() }, retire: (files) => { orders.retire(files) } })
  const loaded = loadConfig(replaySources(processSources(), await link.files))
  if (loaded.kind === 'invalid') {
    printComplaints('jointgate cannot start', loaded.complaints)
    process.exit(exitCodes.config)
  }
  const { config } = loaded
  await rehearseHttp()
  const gateway = await composeOrComplain(config, link)
  if (gateway === undefined) process.exit(exitCodes.config)
  orders = takeOrders(gateway, link)
  // Copies: Fastify writes into what it is given, and the config is frozen.
  const operatorAddress = await gateway.operatorApp.listen({ ...config.listen.operator })
  const publicAddress = await gateway.publicApp.listen({ ...config.listen.public })
  link.tell({ kind: 'ready', publicAddress, operatorAddress })
}

function takeOrders (gateway: Gateway, link: WorkerLink): Orders {
  const { log } = gateway.publicApp
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= closeGateway(gateway)
    return closing
  }
  let isStopping = false
  const { close: stop } = closeWithGrace({ delay: stopMs, logger: log, skip: ['SIGHUP', ...crashSignals] }, async ({ err }) => {
    isStopping = true
    if (err !== undefined) log.fatal({ event: 'gateway.failed', err }, 'stopping after a fault that nobody caught')
    await close()
  })
  const retire = async (files: ConfigFiles): Promise<void> => {
    const loaded = loadConfig(replaySources(processSources(), files))
    // What a connection still brings is judged by the old settings, but a push with a new key would be refused, and lost for some time.
    if (loaded.kind === 'ok') {
      gateway.exchangeKeys(loaded.config.marketplace).catch((err: unknown) => {
        log.error({ event: 'keys.not-kept', err }, 'the keys are in use, but their first sight could not be kept')
      })
    }
    setTimeout(() => { process.exit(exitCodes.fault) }, retireMs).unref()
    const left = leaveGently([gateway.publicApp.server, gateway.operatorApp.server])
    link.tell({ kind: 'retiring' })
    await left
    await close()
    if (!isStopping) process.exit(exitCodes.ok)
  }
  return {
    // A signal may have come first.
    stop: () => { if (!isStopping) stop() },
    retire: (files) => { void retire(files) },
  }
}

/** A store that would lose what was acknowledged is a matter of its configuration. */
async function composeOrComplain (config: Config, { changes }: WorkerLink): Promise<Gateway | undefined> {
  try {
    return await compose(config, { clock: systemClock, changes })
  } catch (error) {
    if (!(error instanceof UnsafeStorageError)) throw error
    process.stderr.write('jointgate cannot start: the store could lose what was acknowledged (docs/redis.md says what it needs)\n')
    for (const finding of error.findings) process.stderr.write(`  - ${finding}\n`)
    return undefined
  }
}

/** Node closes the connections that are idle now. One whose last request ends later would keep the process up until its keep-alive does. */
async function closeGateway (gateway: Gateway): Promise<void> {
  const sweeper = setInterval(() => { gateway.publicApp.server.closeIdleConnections() }, 100)
  await gateway.close()
  clearInterval(sweeper)
}
