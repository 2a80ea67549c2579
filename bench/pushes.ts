import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { signKitV2 } from '../src/push/signature/kit-v2.ts'
import { appId, freePort, kitKey, toPushTime } from '../test/support/build-gateway.ts'
import { awaitQuiet, countStolenTime, runLoad, startServer, stop, usageOf } from './processes.ts'
import { openGatewayAlone } from './systems.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 15)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 60)

const bench = await openGatewayAlone()
const { gateway, folder, tenantId } = bench
const floorPort = await freePort()
const floorFolder = join(folder, 'floor')
mkdirSync(floorFolder)
const floor = await startServer(0, [process.execPath, join(folder, 'bench/peers/push-floor.js'), String(floorPort), floorFolder], floorPort)
let businessTime = Date.now()

try {
  for (const measure of [measureLargePushes, measureOthersDuringPushes, measureManyPushes]) {
    const stolen = countStolenTime()
    await measure()
    console.log(`  meanwhile the host has taken ${stolen().toFixed(0)} % of the machine's time away`)
  }
} finally {
  await stop(floor)
  await bench.close()
}

/** A push of 5000 users, answered from the disk, in turn with the floor. */
async function measureLargePushes (): Promise<void> {
  const [ours, floors]: [number[], number[]] = [[], []]
  for (let round = -3; round < rounds; round++) {
    await awaitQuiet(3)
    const body = pushBody(5000, round)
    const answer = await request(`http://127.0.0.1:${floorPort}/`, { method: 'POST', body })
    const { milliseconds } = await answer.body.json() as { milliseconds: number }
    const elapsed = await send(signed(body))
    // The first three warm both up.
    if (round >= 0) {
      ours.push(elapsed)
      floors.push(milliseconds)
    }
  }
  const ratios = ours.map((value, index) => value / (floors[index] ?? NaN))
  console.log(`5000 users, ${(pushBody(5000, 0).length / 1e6).toFixed(2)} MB, ${rounds} rounds: gateway ${spread(ours)} ms, floor ${spread(floors)} ms, ratio ${spread(ratios, 2)}`)
}

/** Signed-in requests at a steady pace, alone and while one 5000-user push follows the other. */
async function measureOthersDuringPushes (): Promise<void> {
  const quiet = await pacedRequests()
  // Signed before, since that would take the requests' core from them.
  const pushes = Array.from({ length: 30 }, (_push, index) => signed(pushBody(5000, 100 + index)))
  const under = pacedRequests()
  await sleep(500)
  for (const push of pushes) {
    await send(push)
    await sleep(100)
  }
  const busy = await under
  const p99 = [quiet, busy].map((latencies) => percentile(latencies, 0.99))
  console.log(`200 signed-in requests a second: p99 ${p99[0]?.toFixed(1)} ms alone, ${p99[1]?.toFixed(1)} ms during ${pushes.length} pushes of 5000 users; ` +
    `longest ${Math.max(...quiet).toFixed(1)} and ${Math.max(...busy).toFixed(1)} ms`)
}

async function pacedRequests (): Promise<number[]> {
  const output = await runLoad([process.execPath, join(folder, 'bench/peers/paced-requests.js'), gateway.url, gateway.cookie, '10'])
  return JSON.parse(output) as number[]
}

/** 50 pushes of 10 users each second. */
async function measureManyPushes (): Promise<void> {
  const latencies: number[] = []
  const waiting: Promise<void>[] = []
  const before = usageOf(gateway.pid)
  const startedAt = performance.now()
  for (let count = 0; count < seconds * 50; count++) {
    await sleep(Math.max(0, startedAt + count * 20 - performance.now()))
    waiting.push(send(signed(pushBody(10, 1_000 + count))).then((elapsed) => { latencies.push(elapsed) }))
  }
  await Promise.all(waiting)
  const after = usageOf(gateway.pid)
  console.log(`50 pushes of 10 users a second for ${seconds} s: p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms, ` +
    `longest ${Math.max(...latencies).toFixed(1)} ms, ${(100 * (after.cpuMs - before.cpuMs) / 1000 / seconds).toFixed(0)} % of a core, RSS ${before.rssMb.toFixed(0)} to ${after.rssMb.toFixed(0)} MB`)
}

function pushBody (users: number, round: number): string {
  businessTime = Math.max(businessTime + 1, Date.now())
  const timeStamp = toPushTime(businessTime)
  const userList = Array.from({ length: users }, (_user, index) => ({
    userName: `employee${String(index).padStart(6, '0')}`,
    name: `员工${index}第${round}次`,
    orgCode: `1000${index % 40}`,
    role: index % 50 === 0 ? 'admin' : 'user',
    enable: 'true',
    email: `employee${index}@sunrise-technology.example.com`,
    position: '高级工程师',
    employeeCode: `E${index}`,
    workPlace: '南京',
  }))
  return JSON.stringify({ instanceId: 'instance-1', tenantId, appId, userList, currentSyncTime: timeStamp, flag: 1, testFlag: 0, timeStamp })
}

interface SignedPush { readonly body: string, readonly headers: Record<string, string> }

function signed (body: string): SignedPush {
  const signature = signKitV2(kitKey, body, randomBytes(16).toString('hex'), Date.now())
  return { body, headers: { 'content-type': 'application/json', ...signature } }
}

/** Sends a push; resolves to the milliseconds until its answer. */
async function send ({ body, headers }: SignedPush): Promise<number> {
  const startedAt = performance.now()
  const answer = await request(new URL('/_gate/marketplace/produceAPI/v2/authSync', gateway.url), { method: 'POST', headers, body })
  const { resultCode } = await answer.body.json() as { resultCode: string }
  if (resultCode !== '000000') throw new Error(`the push was answered ${resultCode}`)
  return performance.now() - startedAt
}

function percentile (values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN
}

/** Median, then the least and the greatest. */
function spread (values: readonly number[], digits = 1): string {
  return `${percentile(values, 0.5).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`
}
