/** Writes a log line. `error` asks somebody to act; `event` is constant, to be searched for and counted. */
export type WriteProvisioningLog =
  (level: 'info' | 'warn' | 'error', line: Readonly<Record<string, unknown>> & { readonly event: string }, message: string) => void
