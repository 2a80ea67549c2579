import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openGatewayFleet } from '../support/gateway-fleet.ts'
import { dialWebSocket, openLiveUpstream } from '../support/web-socket.ts'

const mebibyte = 1_048_576
const total = 1_024 * mebibyte
const block = Buffer.alloc(65_536, 1)
/** What a gigabyte may add to what the gateway has after the first 64 MB. */
const mostGrowth = 64 * mebibyte

/** Resident memory of a process and those that it has started, as Linux tells it. */
function rssOf (pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter((child) => child !== '')
  const own = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1_024
  return children.reduce((sum, child) => sum + rssOf(Number(child)), own)
}

/** The most memory that a process has while something goes on. */
async function watchRss (pid: number, run: () => Promise<unknown>): Promise<number> {
  let most = rssOf(pid)
  const timer = setInterval(() => { most = Math.max(most, rssOf(pid)) }, 50)
  try {
    await run()
  } finally {
    clearInterval(timer)
  }
  return Math.max(most, rssOf(pid))
}

/** Writes so many bytes as fast as they are taken, and says meanwhile how many are on their way. */
function pour (to: NodeJS.WritableStream, length: number, done = (): void => {}): { sent: () => number } {
  let sent = 0
  const write = (): void => {
    while (sent < length) {
      sent += block.length
      if (!to.write(block)) {
        to.once('drain', write)
        return
      }
    }
    done()
  }
  write()
  return { sent: () => sent }
}

async function count (from: Socket | IncomingMessage, length: number): Promise<number> {
  let received = 0
  return await new Promise((resolve) => {
    from.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received === length) resolve(received)
    }).on('close', () => { resolve(received) }).resume()
  })
}

/** Resolves when a number has stood still for a while. */
async function stands (read: () => number): Promise<number> {
  for (let [last, still] = [-1, 0]; ;) {
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    const now = read()
    still = now === last ? still + 1 : 0
    last = now
    if (still === 10) return now
  }
}

t.test('a gigabyte goes through a real gateway, each way and over a WebSocket, and its memory stays flat', async (t) => {
  const upstream = await openLiveUpstream(t)
  const folder = mkdtempSync(join(tmpdir(), 'jointgate-uploads-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const fleet = await openGatewayFleet(t, { count: 1, storage: () => ({ JOINTGATE_STORAGE: `lmdb:${folder}`, JOINTGATE_UPSTREAM: upstream.url }) })
  await fleet.deliver(fleet.authSync(['lihua']))
  const cookie = await fleet.signIn('lihua')
  const url = fleet.urls[0] ?? ''
  const pid = fleet.processes[0]?.child.pid ?? 0
  const tell = (what: string, before: number, most: number): void => {
    t.comment(`${what}: ${Math.round(before / mebibyte)} MB before, ${Math.round(most / mebibyte)} MB at most`)
    t.ok(most - before < mostGrowth, what)
  }

  const upload = async (length: number, isChunked: boolean): Promise<void> => {
    upstream.answer = (request, response) => { void count(request, length).then((received) => { response.end(String(received)) }) }
    const asked = httpRequest(`${url}/file`, { method: 'PUT', agent: false, headers: { cookie, ...(isChunked ? {} : { 'content-length': length }) } })
    pour(asked, length, () => { asked.end() })
    const [response] = await once(asked, 'response') as [IncomingMessage]
    let text = ''
    for await (const part of response) text += String(part)
    t.equal(text, String(length), `${length} bytes up`)
  }
  const download = async (length: number, isSlow: boolean): Promise<void> => {
    let sent = (): number => 0
    upstream.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': length })
      sent = pour(response, length, () => { response.end() }).sent
    }
    const asked = httpRequest(`${url}/file`, { agent: false, headers: { cookie } }).end()
    const [response] = await once(asked, 'response') as [IncomingMessage]
    if (isSlow) {
      const underWay = await stands(() => sent())
      t.comment(`a reader that doesn't read: ${Math.round(underWay / mebibyte)} MB are under way`)
      t.ok(underWay < 40 * mebibyte, 'the application was slowed down')
    }
    t.equal(await count(response, length), length, `${length} bytes down`)
  }

  await upload(64 * mebibyte, false)
  const before = rssOf(pid)
  tell('1 GB up with a length', before, await watchRss(pid, () => upload(total, false)))
  tell('1 GB up in chunks', before, await watchRss(pid, () => upload(total, true)))

  await download(64 * mebibyte, false)
  tell('1 GB down to a reader that begins late', rssOf(pid), await watchRss(pid, () => download(total, true)))

  const length = 300 * mebibyte
  const opened = new Promise<Socket>((resolve) => { upstream.onOpen = (socket) => { resolve(socket.pause()) } })
  const client = await dialWebSocket(url, { cookie, origin: url })
  client.socket.removeAllListeners('data').pause()
  const [near, far] = [client.socket, await opened]
  tell('a WebSocket whose both ends don\'t read for long', rssOf(pid), await watchRss(pid, async () => {
    const [up, down] = [pour(near, length), pour(far, length)]
    const underWay = await stands(() => up.sent() + down.sent())
    t.comment(`${Math.round(underWay / mebibyte)} MB of ${2 * length / mebibyte} are under way`)
    t.ok(underWay < 120 * mebibyte, 'both sides were slowed down')
    t.strictSame(await Promise.all([count(near, length), count(far, length)]), [length, length])
  }))
  near.destroy()
})
