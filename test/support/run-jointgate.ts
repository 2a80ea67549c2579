import { randomBytes } from 'node:crypto'
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const sealingKey = randomBytes(32).toString('base64')

/** What `serve` needs at least, on free ports. */
export function serveVariables (directory: string): Record<string, string> {
  return {
    JOINTGATE_LISTEN: '127.0.0.1:0',
    JOINTGATE_OPERATOR_LISTEN: '127.0.0.1:0',
    JOINTGATE_STORAGE: `lmdb:${directory}/data`,
    JOINTGATE_SECRET_KEYS: sealingKey,
    JOINTGATE_APP_ID: 'app-1',
    JOINTGATE_PUBLIC_URL: 'https://app.example.com',
    JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
    JOINTGATE_MARKETPLACE_KIT_KEYS: 'canary-access-key',
  }
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

export interface RunningProcess {
  readonly child: ChildProcess
  /** The first log line with this event; rejects when the process ends without one. */
  logged (event: string): Promise<Record<string, unknown>>
  /** How many such lines there are, and the last of them. */
  count (event: string): number
  last (event: string): Record<string, unknown>
  /** The process ids of what `serve` has started. */
  workers (): number[]
  /** Resolves when the process has ended. */
  readonly ended: Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string }>
}

/** Starts the real program in a process of its own, with the given variables and nothing of the test runner's own settings. */
export function startJointgate (args: readonly string[], env: Record<string, string>, preload?: string): RunningProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', ...(preload === undefined ? [] : ['--import', preload]), main, ...args], {
    cwd: root, env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const look of waiting) look()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const ended = new Promise<Awaited<RunningProcess['ended']>>((resolve) => {
    child.on('close', (code, signal) => { resolve({ code, signal, stdout, stderr }) })
  })
  const logged = (event: string) => new Promise<Record<string, unknown>>((resolve, reject) => {
    const look = () => {
      const line = stdout.split('\n').slice(0, -1).find((candidate) => candidate.includes(`"event":"${event}"`))
      if (line === undefined) return
      waiting.delete(look)
      resolve(JSON.parse(line))
    }
    waiting.add(look)
    look()
    void ended.then(({ code }) => { reject(new Error(`ended with ${code} before ${event}: ${stderr}${stdout}`)) })
  })
  const linesOf = (event: string): string[] => stdout.split('\n').slice(0, -1).filter((line) => line.includes(`"event":"${event}"`))
  const count = (event: string) => linesOf(event).length
  const last = (event: string) => JSON.parse(linesOf(event).at(-1) ?? '{}') as Record<string, unknown>
  const workers = () => readFileSync(`/proc/${child.pid ?? 0}/task/${child.pid ?? 0}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  return { child, logged, count, last, workers, ended }
}

export function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
