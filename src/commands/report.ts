/** `config` is `EX_CONFIG` of sysexits.h, so that a supervisor can tell a config that never starts from a crash. */
export const exitCodes = { ok: 0, fault: 1, usage: 2, config: 78 } as const

/** All at once, one a line: nobody should have to start ten times to find ten mistakes. */
export function printComplaints (complaints: readonly string[]): void {
  const count = complaints.length === 1 ? '1 complaint' : `${complaints.length} complaints`
  process.stderr.write(`jointgate cannot start: ${count} about the configuration (docs/configuration.md lists every key)\n`)
  for (const complaint of complaints) process.stderr.write(`  - ${complaint}\n`)
}
