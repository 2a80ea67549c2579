import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { codeOf } from '../base/coded-errors.ts'
import { SealedBox } from '../base/sealed-box.ts'
import { loadConfig, processSources, type Config } from '../config/load-config.ts'
import type { Sources } from '../config/read-variables.ts'
import { describeStorage, storageSettingsOf } from '../config/storage-settings-of.ts'
import type { CopyEnd } from '../storage/copy/copy-end.ts'
import { copyStorage, type CopyStep } from '../storage/copy/copy-storage.ts'
import { openCopyEnd } from '../storage/copy/open-copy-end.ts'
import { alignColumns, printLines } from './print-lines.ts'
import { exitCodes, printComplaints, printUsage } from './report.ts'

const usage = `Usage: jointgate storage copy --to ADDRESS | --to-file FILE | --to-variable NAME
       jointgate storage release

  copy      copies the store that is configured to another one, beside its running gateways; at the end they take in nothing more
            until they are started on the new one. Nobody is signed out.
  release   takes the seal off the configured store, if you decide to stay on it

ADDRESS is what JOINTGATE_STORAGE will be. One with a password is better read from a file or from an environment variable of any name
that doesn't begin with JOINTGATE_. docs/operating.md, "Moving the store", says how to go about it.
`

type Command = { readonly verb: 'release' } | { readonly verb: 'copy', readonly target: Record<string, string | undefined> }

/** `storage` and the words behind it. */
export async function storage (words: readonly string[]): Promise<number> {
  const sources = processSources()
  const command = parse(words, sources)
  if (command === undefined) return printUsage(usage, words)
  const source = load(sources)
  if (source === undefined) return exitCodes.config
  if (command.verb === 'release') return await withEnd(source, { mustExist: true }, release)
  const target = load({ ...sources, env: { ...sources.env, JOINTGATE_STORAGE_FILE: undefined, ...command.target } })
  if (target === undefined) return exitCodes.config
  if (describeStorage(source.storage) === describeStorage(target.storage)) {
    process.stderr.write('jointgate: the store that is configured and the one to copy to are the same\n')
    return exitCodes.usage
  }
  return await withEnd(source, { mustExist: true }, (from) => withEnd(target, { mustExist: false }, (to) => copy(from, to, target)))
}

function parse ([verb, ...args]: readonly string[], { env }: Sources): Command | undefined {
  if (verb === 'release' && args.length === 0) return { verb }
  if (verb !== 'copy') return undefined
  try {
    const { values } = parseArgs({ args, options: { to: { type: 'string' }, 'to-file': { type: 'string' }, 'to-variable': { type: 'string' } } })
    if (Object.keys(values).length !== 1) return undefined
    if (values['to-file'] !== undefined) return { verb, target: { JOINTGATE_STORAGE: undefined, JOINTGATE_STORAGE_FILE: values['to-file'] } }
    const address = values.to ?? env[values['to-variable'] ?? '']
    return address === undefined || address === '' ? undefined : { verb, target: { JOINTGATE_STORAGE: address } }
  } catch {
    // Words that parseArgs doesn't know: the usage says which there are.
    return undefined
  }
}

function load (sources: Sources): Config | undefined {
  const loaded = loadConfig(sources)
  if (loaded.kind === 'ok') return loaded.config
  printComplaints('jointgate', loaded.complaints)
  return undefined
}

async function withEnd (config: Config, { mustExist }: { mustExist: boolean }, use: (end: CopyEnd) => Promise<number>): Promise<number> {
  const box = new SealedBox(config.secretKeys.map((key) => Buffer.from(key.reveal(), 'base64')))
  const { dangerouslyAllowLoss } = config
  const options = { box, clock: systemClock, dangerouslyAllowLoss, onEvent: () => {}, mustExist }
  try {
    const end = await openCopyEnd(storageSettingsOf(config), options)
    return await use(end).finally(() => end.close())
  } catch (error) {
    if (!(error instanceof Error) || codeOf(error)?.startsWith('GW_STORAGE_') !== true) throw error
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
    process.stderr.write(`jointgate: ${describeStorage(config.storage)}: ${error.message}${cause}\n`)
    return exitCodes.fault
  }
}

async function release (end: CopyEnd): Promise<number> {
  const state = await end.readState()
  await end.writeState(undefined)
  printLines([state === undefined ? 'The store was not sealed off.' : 'The store takes everything in again. No gateway may run on a copy of it any more.'])
  return exitCodes.ok
}

async function copy (source: CopyEnd, target: CopyEnd, { storage }: Config): Promise<number> {
  const stop = new AbortController()
  const onSignal = (): void => { stop.abort(new Error('stopped by a signal; the store that was copied takes everything in again')) }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const outcome = await copyStorage({
    source,
    target,
    clock: systemClock,
    signal: stop.signal,
    wait: (milliseconds) => wait(milliseconds),
    onStep: (step) => { printLines([describe(step)]) },
  })
  switch (outcome.kind) {
    case 'target-in-use':
      process.stderr.write(`jointgate: ${describeStorage(storage)} holds something that no copy has put there; nothing was changed\n`)
      return exitCodes.fault
    case 'different':
      process.stderr.write(`jointgate: the copy differs (${outcome.verification.differing.join(', ')}); the store that was copied takes everything in again\n`)
      return exitCodes.fault
    case 'copied': {
      const { counts } = outcome.verification
      printLines([
        'Both stores were compared, thing by thing; they are equal:',
        ...alignColumns(Object.entries(counts).map(([kind, count]) => [`  ${kind}`, String(count)])),
        '',
        'Now start the gateways with the new JOINTGATE_STORAGE, then stop the old ones. Until then they serve who is signed in, and answer',
        'sign-ins, sign-outs and pushes with "again later". To stay where you are: jointgate storage release, before any gateway has run there.',
      ])
      return exitCodes.ok
    }
  }
}

function describe (step: CopyStep): string {
  switch (step.kind) {
    case 'pass': return `${step.report.things} things looked at, ${step.report.written} written, ${step.report.removed} removed`
    case 'closing': return 'Waiting for renewals of tokens that are under way'
    case 'sealed-off': return 'The store is sealed off: its gateways read, and take in nothing'
  }
}
