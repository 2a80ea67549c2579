#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { exitCodes, printUsage, type ComplaintPrefix } from './commands/report.ts'

const usage = `Usage: jointgate [verb]

  serve      run the gateway (the default)
  check      judge the configuration and print what it means
  demo       run gateway, simulator and a sample application on loopback
  pushes     list | show N | diff N | replay: what the marketplace told, masked
  sessions   list | end: who is signed in; ends sessions of an account, an enterprise or all
  keys       status | rotate: which access keys are there and which of them sign; makes the next key of the assertion
  erasures   list: the receipts of what was erased
  storage    copy | release: moves everything to another store, beside running gateways
  doctor     play the marketplace's tests against a running gateway

  --help     this text; behind a verb, that verb's
  --version  the version

Settings are environment variables named JOINTGATE_… and keys of jointgate.yaml; docs/configuration.md lists them.
`

/** Runs one verb. Verbs are loaded when asked for, so that `check` needs no server and `serve` no simulator. */
async function run ([verb = 'serve', ...rest]: readonly string[]): Promise<number | undefined> {
  if (!startsServer(verb)) process.stdout.on('error', passOverClosedPipe)
  // These have words of their own.
  switch (verb) {
    case 'pushes': return (await import('./commands/pushes.ts')).pushes(rest)
    case 'sessions': return (await import('./commands/sessions.ts')).sessions(rest)
    case 'keys': return (await import('./commands/keys.ts')).keys(rest)
    case 'erasures': return (await import('./commands/erasures.ts')).erasures(rest)
    case 'storage': return (await import('./commands/storage.ts')).storage(rest)
    case 'doctor': return (await import('./commands/doctor.ts')).doctor(rest)
  }
  switch (rest.length === 0 ? verb : 'too many words') {
    case 'serve': return (await import('./commands/serve.ts')).serve()
    case 'check': return (await import('./commands/check.ts')).check()
    case 'demo':
      await (await import('./commands/demo.ts')).demo()
      return undefined
    case '--help': case '-h': case 'help':
      process.stdout.write(usage)
      return exitCodes.ok
    case '--version': case '-v':
      process.stdout.write(`${readVersion()}\n`)
      return exitCodes.ok
    default: return printUsage(usage, rest)
  }
}

function startsServer (verb = 'serve'): boolean {
  return verb === 'serve' || verb === 'demo'
}

/** Whoever reads may stop early (`| head`); the command goes on to its end and its exit code. */
function passOverClosedPipe (error: Error): void {
  if (!('code' in error && error.code === 'EPIPE')) throw error
}

function readVersion (): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}

try {
  const exitCode = await run(process.argv.slice(2))
  if (exitCode !== undefined) process.exitCode = exitCode
} catch (error) {
  // A foreseen fault, such as a port in use at start: one line for the person; a stack only where nobody foresaw it.
  const isForeseen = error instanceof Error && 'code' in error
  const prefix: ComplaintPrefix = startsServer(process.argv[2]) ? 'jointgate cannot start' : 'jointgate'
  process.stderr.write(`${prefix}: ${error instanceof Error ? (isForeseen ? error.message : error.stack) : String(error)}\n`)
  process.exit(exitCodes.fault)
}
