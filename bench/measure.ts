import { createRequire } from 'node:module'
import { request } from 'undici'
import { findProgram, runLoad, usageOf } from './processes.ts'
import type { System } from './systems.ts'

export interface Measurement {
  readonly requestsPerSecond: number
  readonly cpuMicrosecondsPerRequest: number
  /** How much of its core the system had while saturated; clearly below 1: somebody else used the machine. */
  readonly coreShare: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly rssMb: number
}

export interface Load { readonly requests: number, readonly seconds: number, readonly p50Ms: number, readonly p99Ms: number }

const wrk = findProgram('wrk')
export const loadGenerator = wrk === undefined ? 'autocannon' : 'wrk'

/** So many that the compilers of all are done; on a busy machine time alone wouldn't tell. */
const warmUpRequests = 40_000

export async function warmUp (system: System): Promise<void> {
  for (let served = 0; served < warmUpRequests;) served += (await runClients(system, 64, 2)).requests
}

/** One round of one system: woken up, saturated with 64 connections, then its latency with 8. */
export async function measure (system: System, seconds: number): Promise<Measurement> {
  await runClients(system, 64, 1)
  const before = usageOf(system.pid)
  const saturated = await runClients(system, 64, seconds)
  const after = usageOf(system.pid)
  const relaxed = await runClients(system, 8, seconds)
  await checkAnswers(system)
  const cpuMs = after.cpuMs - before.cpuMs
  return {
    requestsPerSecond: saturated.requests / saturated.seconds,
    cpuMicrosecondsPerRequest: cpuMs * 1000 / saturated.requests,
    coreShare: cpuMs / 1000 / saturated.seconds,
    p50Ms: relaxed.p50Ms,
    p99Ms: relaxed.p99Ms,
    rssMb: after.rssMb,
  }
}

/** With the cookie the application's answer, without it none: so that nobody is measured answering something else. */
export async function checkAnswers ({ name, url, cookie, isGuarded }: System): Promise<void> {
  const signedIn = await request(url, { headers: { cookie } })
  const body = await signedIn.body.text()
  if (signedIn.statusCode !== 200 || body.length !== 1024) throw new Error(`${name} answers ${signedIn.statusCode}, ${body.length} bytes`)
  if (!isGuarded) return
  const stranger = await request(url, { headers: { cookie: cookie.replace(/=.*/, '=stranger') } })
  await stranger.body.dump()
  if (stranger.statusCode === 200) throw new Error(`${name} lets a stranger in`)
}

export async function runClients ({ name, url, cookie }: System, connections: number, seconds: number): Promise<Load> {
  const header = `cookie: ${cookie}`
  if (wrk !== undefined) {
    const report = await runLoad([wrk, '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '20s', '-H', header, url])
    if (/Non-2xx|Socket errors/.test(report)) throw new Error(`${name} failed under load: ${report}`)
    const [, requests = '', elapsed = '', unit = ''] = /(\d+) requests in ([\d.]+)(m?s)/.exec(report) ?? []
    const percentile = (percent: number): number => {
      const [, value = '', valueUnit = ''] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(report) ?? []
      return Number(value) * (valueUnit === 'us' ? 0.001 : valueUnit === 's' ? 1000 : 1)
    }
    return {
      requests: Number(requests),
      seconds: Number(elapsed) / (unit === 'ms' ? 1000 : 1),
      p50Ms: percentile(50),
      p99Ms: percentile(99),
    }
  }
  const autocannon = createRequire(import.meta.url).resolve('autocannon')
  const report = JSON.parse(await runLoad([
    process.execPath, autocannon, '-j', '-c', String(connections), '-d', String(seconds), '-H', header, url,
  ])) as { requests: { total: number }, duration: number, latency: { p50: number, p99: number }, non2xx: number, errors: number }
  if (report.non2xx + report.errors > 0) throw new Error(`${name} failed under load`)
  return { requests: report.requests.total, seconds: report.duration, p50Ms: report.latency.p50, p99Ms: report.latency.p99 }
}
