import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { GatewayFleet, SignedPush } from './gateway-fleet.ts'
import type { RunningProcess } from './run-jointgate.ts'

/** One connection that stays open, so all that is asked on it is asked of one worker. */
export interface Line {
  readonly worker: number
  /** The status of a page view by a script. */
  visit (cookie: string): Promise<number>
  /** The result code. */
  send (push: SignedPush): Promise<string>
  close (): void
}

/** The worker that holds the other end of a connection from this port of ours. */
export function workerAt (gateway: RunningProcess, port: number): number | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const row = readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/)).find((cells) => cells[2]?.endsWith(`:${hexPort}`))
  const socket = `socket:[${row?.[9] ?? ''}]`
  return gateway.workers().find((pid) => readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === socket
    } catch {
      return false
    }
  }))
}

/** A line to each of the workers of the fleet's first gateway. */
export async function openLines (fleet: GatewayFleet): Promise<Line[]> {
  const [gateway] = fleet.processes
  if (gateway === undefined) throw new Error('no gateway')
  const lines = new Map<number, Line>()
  while (lines.size < gateway.workers().length) {
    const line = await openLine(fleet.urls[0] ?? '', gateway)
    if (lines.has(line.worker)) line.close()
    else lines.set(line.worker, line)
  }
  return [...lines.values()]
}

async function openLine (url: string, gateway: RunningProcess): Promise<Line> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  interface Answer { readonly status: number, readonly text: string, readonly port: number }
  const ask = (path: string, headers: Record<string, string>, body?: string) => new Promise<Answer>((resolve, reject) => {
    const asked = request(`${url}${path}`, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (answer) => {
      const port = answer.socket.localPort ?? 0
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      answer.on('end', () => { resolve({ status: answer.statusCode ?? 0, text, port }) }).on('error', reject)
    })
    asked.on('error', reject).end(body)
  })
  const { port } = await ask('/_gate/session', {})
  const worker = workerAt(gateway, port)
  if (worker === undefined) throw new Error('nobody holds the other end')
  return {
    worker,
    async visit (cookie) {
      const answer = await ask('/page', { cookie, accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' })
      if (answer.port !== port) throw new Error('the connection was closed')
      return answer.status
    },
    send: async ({ name, body, headers }) => {
      const { text } = await ask(`/_gate/marketplace/produceAPI/v2/${name}`, headers, body)
      return (JSON.parse(text) as { resultCode: string }).resultCode
    },
    close: () => { agent.destroy() },
  }
}
