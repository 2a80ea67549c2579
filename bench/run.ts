import { cpus, loadavg } from 'node:os'
import { checkAnswers, loadGenerator, measure, warmUp, type Measurement } from './measure.ts'
import { awaitQuiet, pinsCores } from './processes.ts'
import { openBench, type System } from './systems.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 5)

const bench = await openBench()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => { void bench.close().finally(() => { process.exit(1) }) })
}
try {
  for (const name of bench.skipped) console.log(`skipped: ${name} is not installed`)
  for (const system of bench.systems) {
    await checkAnswers(system)
    await warmUp(system)
  }
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, load by ${loadGenerator}, ` +
    `${pinsCores ? 'cores pinned' : 'cores NOT pinned (no taskset)'}, ${rounds} rounds of ${seconds} s`)
  console.log(`load average before: ${describeLoad()}`)
  const results = new Map<System, Measurement[]>(bench.systems.map((system) => [system, []]))
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another system, so that a slow moment of the machine doesn't always meet the same one.
    const order = bench.systems.map((_system, index) => bench.systems[(index + round) % bench.systems.length])
    for (const system of order) {
      if (system === undefined) continue
      results.get(system)?.push(await measureUndisturbed(system))
    }
    console.log(`round ${round + 1} done, load average ${describeLoad()}`)
  }
  console.log(`\n${renderTable(results)}`)
} finally {
  await bench.close()
}

/** On a shared machine: up to four attempts, until the system had its core to itself; the least disturbed one counts. */
async function measureUndisturbed (system: System): Promise<Measurement> {
  let best: Measurement | undefined
  for (let attempt = 0; attempt < 4 && (best?.coreShare ?? 0) < 0.95; attempt++) {
    await awaitQuiet(10)
    const one = await measure(system, seconds)
    if (one.coreShare > (best?.coreShare ?? 0)) best = one
  }
  if (best === undefined) throw new Error(`${system.name} used no CPU at all`)
  return best
}

function describeLoad (): string {
  return loadavg().slice(0, 2).map((load) => load.toFixed(1)).join(', ')
}

function renderTable (results: ReadonlyMap<System, readonly Measurement[]>): string {
  const [[, base = []] = []] = [...results].filter(([{ name }]) => name === 'the same without auth')
  const column = (all: readonly Measurement[], name: keyof Measurement, digits: number): string =>
    spread(all.map((one) => one[name]), digits)
  // Round by round, so that what slowed a whole round cancels out.
  const ratio = (all: readonly Measurement[], name: keyof Measurement): string =>
    spread(all.map((one, round) => one[name] / (base[round]?.[name] ?? NaN)), 2)
  const rows = [...results].map(([{ name }, all]) => [
    name, column(all, 'requestsPerSecond', 0), ratio(all, 'requestsPerSecond'), column(all, 'cpuMicrosecondsPerRequest', 1),
    ratio(all, 'cpuMicrosecondsPerRequest'), column(all, 'p50Ms', 2), column(all, 'p99Ms', 2), column(all, 'rssMb', 0), column(all, 'coreShare', 2),
  ])
  const head = ['system', 'req/s (64 conn.)', '× no auth', 'CPU µs/req', '× no auth', 'p50 ms (8 conn.)', 'p99 ms (8 conn.)', 'RSS MB', 'share of its core']
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Median, then the least and the greatest. */
function spread (values: readonly number[], digits: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = ((sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? NaN)) / 2
  return `${middle.toFixed(digits)} (${sorted[0]?.toFixed(digits)}–${sorted.at(-1)?.toFixed(digits)})`
}
