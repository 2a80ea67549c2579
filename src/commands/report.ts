/** `config` is `EX_CONFIG` of sysexits.h, so that a supervisor can tell a config that never starts from a crash. */
export const exitCodes = { ok: 0, fault: 1, usage: 2, config: 78 } as const

/**
 * The usage for words that a command doesn't take: asked for with `--help` or `-h` it is what was wanted, else a complaint.
 *
 * @returns the exit code
 */
export function printUsage (usage: string, words: readonly string[]): number {
  const isWanted = words.includes('--help') || words.includes('-h')
  const stream = isWanted ? process.stdout : process.stderr
  stream.write(usage)
  return isWanted ? exitCodes.ok : exitCodes.usage
}

/** What a line on stderr begins with; where nothing is to be started, `jointgate` alone. */
export type ComplaintPrefix = 'jointgate' | 'jointgate cannot start'

/** All at once, one a line: nobody should have to start ten times to find ten mistakes. */
export function printComplaints (prefix: ComplaintPrefix, complaints: readonly string[]): void {
  const count = complaints.length === 1 ? '1 complaint' : `${complaints.length} complaints`
  process.stderr.write(`${prefix}: ${count} about the configuration (docs/configuration.md lists every key)\n`)
  for (const complaint of complaints) process.stderr.write(`  - ${complaint}\n`)
}
