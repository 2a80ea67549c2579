import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type { Vector, Vectors } from './vectors.ts'

// `npx tsx docs/upstream/try-vectors.ts COMMAND…` starts an upstream and sends it every vector. The command gets what the samples take:
// GATEWAY_ISSUER, GATEWAY_AUDIENCE, GATEWAY_JWKS_URL, PORT=0, and CLOCK_FILE, a file with the time in epoch seconds to be read at each
// request. It must print `listening on N`, answer 401 to what it refuses, and who it sees as JSON to the rest. If it prints
// `identity refused: REASON` to its standard error, the reasons are compared too.

const assertionHeader = 'x-identity-assertion'

export interface UpstreamProcess {
  readonly port: number
  /** The reasons it has told, in order. */
  readonly reasons: readonly string[]
  /** What else it wrote to its standard error. */
  readonly complaints: readonly string[]
  readonly setClock: (epochSeconds: number) => void
  readonly stop: () => Promise<void>
}

export interface UpstreamSettings { readonly issuer: string, readonly audience: string, readonly jwksUrl?: string, readonly now: number }

/** Starts the program and waits until it listens. */
export async function startUpstreamProcess ([program = '', ...args]: readonly string[], settings: UpstreamSettings): Promise<UpstreamProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'upstream-'))
  const clockFile = join(folder, 'clock')
  const setClock = (epochSeconds: number): void => { writeFileSync(clockFile, String(epochSeconds)) }
  setClock(settings.now)
  const child = spawn(program, args, {
    env: {
      ...process.env,
      GATEWAY_ISSUER: settings.issuer,
      GATEWAY_AUDIENCE: settings.audience,
      ...(settings.jwksUrl === undefined ? {} : { GATEWAY_JWKS_URL: settings.jwksUrl }),
      CLOCK_FILE: clockFile,
      PORT: '0',
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => { child.once('close', () => { resolve() }) })
  const reasons: string[] = []
  const complaints: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    const reason = /identity refused: (\S+)$/.exec(line)?.[1]
    if (reason === undefined) complaints.push(line)
    else reasons.push(reason)
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    return { port: await portOf(child, ended, complaints), reasons, complaints, setClock, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function portOf (child: ChildProcess, ended: Promise<void>, complaints: readonly string[]): Promise<number> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    void ended.then(() => { reject(new Error(`it ended before it listened: ${complaints.join('\n')}`)) })
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /^listening on (\d+)$/.exec(line)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  })
}

export interface Answer { readonly status: number, readonly challenge: string | undefined, readonly body: string }

const agent = new Agent({ keepAlive: false })

/** `values` become as many header lines. */
export async function ask (port: number, values: readonly string[], headers: Vector['headers'] = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const lines = values.length === 0 ? headers : { ...headers, [assertionHeader]: [...values] }
    const outgoing = request({ host: '127.0.0.1', port, agent, timeout: 20_000, headers: lines }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (text: string) => { body += text }).on('error', reject)
      answer.on('end', () => { resolve({ status: answer.statusCode ?? 0, challenge: answer.headers['www-authenticate'], body }) })
    })
    outgoing.on('timeout', () => { outgoing.destroy(new Error('no answer')) }).on('error', reject).end()
  })
}

/** What is wrong with the answer to a vector; empty: nothing. */
function judge (vector: Vector, { status, challenge, body }: Answer): string {
  if (vector.identity === undefined) {
    if (status !== 401) return `answered ${status}, not 401`
    return challenge === undefined || body.includes('alice') ? `401 without a challenge, or with more than one should tell: ${body}` : ''
  }
  if (status !== 200) return `answered ${status}, not 200`
  const seen = JSON.parse(body) as Record<string, unknown>
  const wrong = Object.entries(vector.identity).filter(([name, value]) => seen[name] !== value).map(([name]) => name)
  if (wrong.length > 0) return `saw another ${wrong.join(', ')}: ${body}`
  return Array.isArray(seen['plain']) && seen['plain'].length > 0 ? `left plain headers in the request: ${body}` : ''
}

/**
 * Sends all vectors, each a second time when the upstream knows every key and has just taken a good token (T-15: "also with a warm
 * cache"), and answers with what went wrong.
 */
export async function tryVectors (upstream: UpstreamProcess, vectors: readonly Vector[]): Promise<string[]> {
  const good = vectors.find(({ identity }) => identity !== undefined)
  if (good === undefined) throw new TypeError('there is no good vector')
  const isGood = (vector: Vector): boolean => vector.identity !== undefined
  const cold = [...vectors.filter((vector) => !isGood(vector)), ...vectors.filter(isGood)]
  const warm = vectors.flatMap((vector) => [good, vector])
  const told = upstream.reasons.length
  const problems: string[] = []
  const expected: string[] = []
  for (const vector of [...cold, ...warm]) {
    const problem = judge(vector, await ask(upstream.port, vector.values, vector.headers))
    if (problem !== '') problems.push(`${vector.id} (${vector.why}): ${problem}`)
    if (vector.reason !== undefined) expected.push(`${vector.id}: ${vector.reason}`)
  }
  if (problems.length > 0) return problems
  return await compareReasons(expected, () => upstream.reasons.slice(told))
}

/** They come by a pipe, so the last ones may come after their answers. */
async function compareReasons (expected: readonly string[], told: () => readonly string[]): Promise<string[]> {
  const deadline = Date.now() + 5_000
  while (told().length > 0 && told().length < expected.length && Date.now() < deadline) await new Promise(setImmediate)
  const reasons = told()
  if (reasons.length === 0) return []
  return expected.flatMap((line, index) => line.endsWith(`: ${reasons[index]}`) ? [] : [`${line} was expected, told was ${reasons[index]}`])
}

export interface KeyServer {
  readonly url: string
  /** How often the keys were asked for. */
  readonly calls: () => number
  answer: RequestListener
  readonly close: () => void
}

export function sendKeySet (jwks: Vectors['jwks'], maxAgeSeconds: number): RequestListener {
  const headers = { 'content-type': 'application/jwk-set+json', 'cache-control': `public, max-age=${maxAgeSeconds}` }
  return (_request, response) => { response.writeHead(200, headers).end(JSON.stringify(jwks)) }
}

/** Stands in for the gateway's `/_gate/jwks.json`. */
export async function openKeyServer (answer: RequestListener): Promise<KeyServer> {
  let calls = 0
  const server = createServer((request, response) => {
    calls++
    keyServer.answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  const keyServer: KeyServer = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`, calls: () => calls, answer, close }
  return keyServer
}

export function readVectors (): Vectors {
  return JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as Vectors
}

async function main (command: readonly string[]): Promise<void> {
  const { issuer, audience, now, jwks, vectors } = readVectors()
  const keyServer = await openKeyServer(sendKeySet(jwks, 300))
  try {
    const upstream = await startUpstreamProcess(command, { issuer, audience, jwksUrl: keyServer.url, now })
    const problems = await tryVectors(upstream, vectors).finally(upstream.stop)
    for (const problem of problems) console.log(`WRONG  ${problem}`)
    console.log(`${vectors.length} vectors, ${problems.length === 0 ? 'all as they must be' : `${problems.length} problems`}`)
    process.exitCode = problems.length === 0 ? 0 : 1
  } finally {
    keyServer.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2))
