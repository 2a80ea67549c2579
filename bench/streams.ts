import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { warmUp, measure } from './measure.ts'
import { usageOf } from './processes.ts'
import { openGatewayAlone, type System } from './systems.ts'

/**
 * What is open for long: 1000 idle WebSockets, 1000 event streams for a minute, and what ten minutes of requests leave in memory.
 * `BENCH_MINUTES` shortens the last.
 */
const count = 1000
const streamSeconds = 60
const minutes = Number(process.env['BENCH_MINUTES'] ?? 10)

const { gateway, close } = await openGatewayAlone('stream-upstream')
try {
  // First: what a warm gateway has taken from the system and doesn't use would hide them.
  await weighWebSockets(gateway)
  await warmUp(gateway)
  await followEvents(gateway)
  await runLong(gateway)
} finally {
  await close()
}
process.exit(0)

function rss (): number {
  return usageOf(gateway.pid).rssMb
}

/** @returns once the head of the answer is here */
async function open ({ url, cookie }: System, path: string, headers: string): Promise<Socket> {
  const { hostname, port, host, origin } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\norigin: ${origin}\r\ncookie: ${cookie}\r\n${headers}\r\n`)
  return socket
}

async function weighWebSockets (system: System): Promise<void> {
  // The first hundred bring what all share: code, pools, larger buffers.
  const first = await openWebSockets(system, 100)
  await sleep(3_000)
  const before = rss()
  const sockets = await openWebSockets(system, count)
  await sleep(3_000)
  const after = rss()
  console.log(`${count} idle WebSockets: ${((after - before) * 1024 / count).toFixed(1)} KB of RSS each (${before.toFixed(0)} to ${after.toFixed(0)} MB)`)
  for (const socket of [...first, ...sockets]) socket.destroy()
  await sleep(2_000)
}

async function openWebSockets (system: System, howMany: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let index = 0; index < howMany; index++) {
    const key = randomBytes(16).toString('base64')
    const socket = await open(system, '/live', `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n`)
    const [head] = await once(socket, 'data') as [Buffer]
    if (!head.includes(' 101 ')) throw new Error(head.toString())
    sockets.push(socket)
  }
  return sockets
}

async function followEvents (system: System): Promise<void> {
  const before = rss()
  const cpuBefore = usageOf(gateway.pid).cpuMs
  const delays: number[] = []
  let events = 0
  let lost = 0
  let broken = 0
  const followers = await Promise.all(Array.from({ length: count }, async () => {
    const socket = await open(system, '/events', '')
    let text = ''
    let last = 0
    let isOver = false
    socket.on('close', () => { if (!isOver) broken++ })
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1')
      for (const [, id, at] of text.matchAll(/id: (\d+)\ndata: (\d+)\n\n/g)) {
        events++
        if (last > 0) lost += Number(id) - last - 1
        last = Number(id)
        if (events % 100 === 0) delays.push(Date.now() - Number(at))
      }
      const end = text.lastIndexOf('\n\n')
      if (end !== -1) text = text.slice(end + 2)
    })
    return { last: () => last, end: () => { isOver = true; socket.destroy() } }
  }))
  await sleep(streamSeconds * 1000)
  const lasts = followers.map(({ last }) => last())
  for (const { end } of followers) end()
  delays.sort((a, b) => a - b)
  const cpu = (usageOf(gateway.pid).cpuMs - cpuBefore) / 10 / streamSeconds
  console.log(`${count} event streams for ${streamSeconds} s: ${events} events, ${lost} lost, ${broken} streams broken, ` +
    `the furthest behind by ${Math.max(...lasts) - Math.min(...lasts)}; delay p50 ${delays[delays.length >> 1]} ms, ` +
    `p99 ${delays[Math.floor(delays.length * 0.99)]} ms; ${cpu.toFixed(0)} % of a core; RSS ${before.toFixed(0)} to ${rss().toFixed(0)} MB`)
}

async function runLong (system: System): Promise<void> {
  const seen: number[] = []
  for (let minute = 0; minute < minutes; minute++) {
    await measure(system, 29)
    seen.push(rss())
  }
  if (minutes > 0) console.log(`RSS after each of ${minutes} minutes of requests: ${seen.map((mb) => mb.toFixed(0)).join(', ')} MB`)
}
