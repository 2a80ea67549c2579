import closeWithGrace from 'close-with-grace'
import { systemClock } from '../base/clock.ts'
import { compose, type Gateway } from '../compose.ts'
import { loadConfig, processSources } from '../config/load-config.ts'
import { configWarnings } from '../config/warnings.ts'
import { exitCodes, printComplaints } from './report.ts'

/**
 * Runs the gateway until a signal or an unforeseen fault ends it: requests in flight get ten seconds. Whatever nobody caught is
 * logged and ends the process with 1, since its state can't be trusted any more (C-64).
 *
 * @returns the exit code when it couldn't start for its config's sake, `undefined` while it runs
 */
export async function serve (): Promise<number | undefined> {
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    printComplaints(loaded.complaints)
    return exitCodes.config
  }
  const { config } = loaded
  const gateway = await compose(config, { clock: systemClock })
  const { log } = gateway.publicApp
  // SIGHUP is no wish to stop here.
  closeWithGrace({ delay: 10_000, logger: log, skip: ['SIGHUP'] }, async ({ err, signal }) => {
    if (err === undefined) log.info({ event: 'gateway.stopping', signal }, 'stopping')
    else log.fatal({ event: 'gateway.failed', err }, 'stopping after a fault that nobody caught')
    await closeGateway(gateway)
  })
  process.on('SIGHUP', () => { void exchangeKeys(gateway) })
  for (const warning of configWarnings(config)) log.warn({ event: 'config.warning' }, warning)
  // Copies: Fastify writes into what it is given, and the config is frozen.
  const operatorAddress = await gateway.operatorApp.listen({ ...config.listen.operator })
  const publicAddress = await gateway.publicApp.listen({ ...config.listen.public })
  const { publicUrl, upstream } = config.application
  log.info({ event: 'gateway.started', publicUrl, publicAddress, operatorAddress, upstream },
    `ready: ${publicUrl} is served at ${publicAddress}, health at ${operatorAddress}`)
  return undefined
}

/** SIGHUP: the marketplace's keys are read again, and nothing else. Variables of the process don't change; files do. */
async function exchangeKeys (gateway: Gateway): Promise<void> {
  const { log } = gateway.publicApp
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    log.error({ event: 'keys.refused', complaints: loaded.complaints }, 'the keys stay as they were: the configuration is not valid')
    return
  }
  const { kitKeys, productionKeys, privateKeys } = loaded.config.marketplace
  try {
    await gateway.exchangeKeys(loaded.config.marketplace)
    const counts = { kitKeys: kitKeys.length, productionKeys: productionKeys.length, privateKeys: privateKeys.length }
    log.info({ event: 'keys.exchanged', ...counts }, 'the marketplace\'s keys were read again')
  } catch (err) {
    log.error({ event: 'keys.not-kept', err }, 'the keys are in use, but their first sight could not be kept')
  }
}

/** Node closes the connections that are idle now. One whose last request ends later would keep the process up until its keep-alive does. */
async function closeGateway (gateway: Gateway): Promise<void> {
  const sweeper = setInterval(() => { gateway.publicApp.server.closeIdleConnections() }, 100)
  await gateway.close()
  clearInterval(sweeper)
}
