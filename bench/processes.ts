import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Absolute path of a program, `undefined` if it isn't installed. Debian keeps servers in sbin, which a PATH may lack. */
export function findProgram (name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'].map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The system under test has core 0 to itself; load and upstream share core 1. */
export type Core = 0 | 1

const taskset = findProgram('taskset')
export const pinsCores = taskset !== undefined

function pinned (core: Core, command: string[]): [string, string[]] {
  const [program = '', ...args] = taskset === undefined ? command : [taskset, '-c', String(core), ...command]
  return [program, args]
}

/** Starts a server and waits until its port takes connections. What it says on stderr is shown only if it doesn't come up. */
export async function startServer (core: Core, command: string[], port: number, env: Record<string, string> = {}): Promise<ChildProcess> {
  const [program, args] = pinned(core, command)
  const child = spawn(program, args, { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { complaint = (complaint + text).slice(-2000) })
  for (const deadline = Date.now() + 15_000; Date.now() < deadline && child.exitCode === null;) {
    if (await isListening(port)) return child
    await sleep(50)
  }
  child.kill()
  throw new Error(`${command.join(' ')} did not come up: ${complaint}`)
}

async function isListening (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await once(socket, 'connect').then(() => true, () => false)
  socket.destroy()
  return isOpen
}

/** Runs a command on the load's core and resolves to what it printed. */
export async function runLoad (command: string[]): Promise<string> {
  const [program, args] = pinned(1, command)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const [code] = await once(child, 'close') as [number | null]
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${output}`)
  return output
}

export async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => { child.kill('SIGKILL') }, 5_000)
  await closed
  clearTimeout(timer)
}

/** Waits until nobody else has used the machine for half a second, for as long as one may wait on a shared one. */
export async function awaitQuiet (maxSeconds: number): Promise<void> {
  for (const deadline = Date.now() + maxSeconds * 1000; Date.now() < deadline;) {
    const before = busyMs()
    await sleep(500)
    if (busyMs() - before < 100) return
  }
}

function busyMs (): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0)
}

/** Starts to count; calling the answer tells which part of the time the host has given to other machines, in percent (Linux: steal). */
export function countStolenTime (): () => number {
  const read = () => readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/ +/).slice(1, 9).map(Number)
  const before = read()
  return () => {
    const passed = read().map((ticks, index) => ticks - (before[index] ?? 0))
    return 100 * (passed[7] ?? 0) / passed.reduce((sum, ticks) => sum + ticks, 0)
  }
}

export function childrenOf (pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

const tickMs = 1000 / Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout || 100)

export interface Usage { readonly cpuMs: number, readonly rssMb: number }

/** What a process and its children have used up to now (Linux: /proc). Memory that processes share counts for each. */
export function usageOf (pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  const children = childrenOf(pid).map(usageOf)
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs + children.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssMb: rssKb / 1024 + children.reduce((sum, { rssMb }) => sum + rssMb, 0),
  }
}
