import cluster from 'node:cluster'

/**
 * Runs the gateway: a supervisor, which this process is, and workers, each with a whole gateway on the same addresses. The two know nothing
 * of each other's modules, so that the supervisor stays small.
 *
 * @returns the exit code when it couldn't start, `undefined` while it runs
 */
export async function serve (): Promise<number | undefined> {
  if (cluster.isPrimary) return await (await import('./serve/supervise.ts')).supervise()
  await (await import('./serve/run-worker.ts')).runWorker()
  return undefined
}
