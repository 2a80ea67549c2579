import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkAnswers, runClients, warmUp } from './measure.ts'
import { awaitQuiet, childrenOf, countStolenTime, usageOf } from './processes.ts'
import { openGatewaysOf, type System } from './systems.ts'

/**
 * What a second worker brings, on a machine whose cores the load needs too: each worker gets the same small share of a core (the kernel's
 * CPU controller, so root and Linux with cgroup v1 at its usual place). What two of them do beyond one is then theirs, and what they cost
 * each other (the store's locks, the supervisor that hands out connections) shows as less than twice.
 */
const sharePercent = Number(process.env['BENCH_SHARE'] ?? 20)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 6)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 5)
const controller = '/sys/fs/cgroup/cpu'

const { systems, close } = await openGatewaysOf([1, 2])
const folders: string[] = []
try {
  for (const system of systems) {
    await checkAnswers(system)
    await warmUp(system)
    limit(system)
  }
  const results = new Map<System, number[]>(systems.map((system) => [system, []]))
  const stolen = countStolenTime()
  for (let round = 0; round < rounds; round++) {
    for (const system of round % 2 === 0 ? systems : [...systems].reverse()) {
      await awaitQuiet(10)
      await runClients(system, 64, 1)
      const before = usageOf(system.pid).cpuMs
      const load = await runClients(system, 64, seconds)
      const share = (usageOf(system.pid).cpuMs - before) / 10 / load.seconds
      results.get(system)?.push(load.requests / load.seconds)
      console.log(`round ${round + 1}, ${system.name}: ${(load.requests / load.seconds).toFixed(0)} req/s, ${share.toFixed(0)} % of a core`)
    }
  }
  const [one = [], two = []] = [...results.values()]
  const ratios = one.map((rate, round) => (two[round] ?? NaN) / rate).sort((a, b) => a - b)
  console.log(`each worker with ${sharePercent} % of a core: two do ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} times what one does ` +
    `(by round); the host took ${stolen().toFixed(0)} % of the machine`)
} finally {
  await close()
  await sleep(500)
  for (const folder of folders) rmdirSync(folder)
}

function limit (system: System): void {
  const periodUs = 10_000
  for (const pid of childrenOf(system.pid)) {
    const folder = `${controller}/jointgate-bench-${pid}`
    mkdirSync(folder)
    folders.push(folder)
    writeFileSync(`${folder}/cpu.cfs_period_us`, String(periodUs))
    writeFileSync(`${folder}/cpu.cfs_quota_us`, String(periodUs * sharePercent / 100))
    writeFileSync(`${folder}/cgroup.procs`, String(pid))
  }
}
