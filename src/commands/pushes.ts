import { parseArgs } from 'node:util'
import { joinValues } from './join-values.ts'
import { diffPush } from './pushes/diff-push.ts'
import { listPushes } from './pushes/list-pushes.ts'
import { replayPushes } from './pushes/replay-pushes.ts'
import { showPush } from './pushes/show-push.ts'
import { printUsage } from './report.ts'
import { withStore } from './with-store.ts'

const usage = `Usage: jointgate pushes list [--last N] [--tenant ID] [--json]
       jointgate pushes show N [--personal]
       jointgate pushes diff N [--personal]
       jointgate pushes replay --into DIRECTORY

  list      the newest pushes (50, or N)
  show      one push with its members; personal values are masked unless asked for
  diff      what push N would change if it came now, and who would lose or gain access; changes nothing
  replay    take every archived push into an empty folder and compare with the running store

All of them only read, also beside a running gateway.
`

/** `pushes` and the words behind it. */
export async function pushes (words: readonly string[]): Promise<number> {
  const command = parse(words)
  if (command === undefined) return printUsage(usage, words)
  switch (command.verb) {
    case 'list': return withStore((store) => listPushes(store, command))
    case 'show': return withStore((store) => showPush(store, command))
    case 'diff': return withStore((store) => diffPush(store, command))
    case 'replay': return withStore((store) => replayPushes(store, command.into))
  }
}

const largestList = 100_000

function parse ([verb, ...args]: readonly string[]) {
  try {
    if (verb === 'list') return parseList(args)
    if (verb === 'show' || verb === 'diff') return parseOne(verb, args)
    return verb === 'replay' ? parseReplay(args) : undefined
  } catch {
    // Words that parseArgs doesn't know: the usage says which there are.
    return undefined
  }
}

function parseList (args: string[]) {
  const options = { last: { type: 'string', default: '50' }, tenant: { type: 'string' }, json: { type: 'boolean', default: false } } as const
  const { values } = parseArgs({ args: joinValues(args, options), options })
  const last = parseNumber(values.last)
  return last === undefined || last > largestList ? undefined : { verb: 'list', ...values, last } as const
}

function parseOne (verb: 'show' | 'diff', args: string[]) {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { personal: { type: 'boolean', default: false } } })
  const number = positionals.length === 1 ? parseNumber(positionals[0]) : undefined
  return number === undefined ? undefined : { verb, number, ...values }
}

function parseReplay (args: string[]) {
  const { values: { into } } = parseArgs({ args, options: { into: { type: 'string' } } })
  return into === undefined || into === '' ? undefined : { verb: 'replay', into } as const
}

function parseNumber (text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined
}
