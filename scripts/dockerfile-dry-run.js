// Runs the Dockerfile's very commands without Docker: each stage is a folder, COPY copies, RUN runs, and at last the ENTRYPOINT is
// started and the HEALTHCHECK asked until it says yes. It can't show what the base image brings or what a container may not do.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const context = fileURLToPath(new URL('..', import.meta.url))
const image = mkdtempSync(join(tmpdir(), 'jointgate-image-'))

/** Each instruction with its text; continued lines joined, comments dropped. */
function parseDockerfile (text) {
  return text.replace(/\\\n/g, ' ').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.split(' ', 1)[0], line.slice(line.indexOf(' ') + 1).trim()])
}

function execute (instructions) {
  const roots = new Map()
  let stage = { root: image, folder: '/', env: {} }
  const inside = (path) => join(stage.root, resolve(stage.folder, path))
  for (const [instruction, text] of instructions) {
    switch (instruction) {
      case 'FROM': {
        const name = /\sAS\s+(\S+)/i.exec(text)?.[1] ?? 'final'
        stage = { root: join(image, name), folder: '/', env: {} }
        roots.set(name, stage.root)
        break
      }
      case 'WORKDIR':
        stage.folder = resolve(stage.folder, text)
        mkdirSync(inside('.'), { recursive: true })
        break
      case 'COPY':
        copy(text, roots, inside)
        break
      case 'RUN':
        console.log(`RUN ${text}`)
        if (spawnSync('sh', ['-c', text], { cwd: inside('.'), stdio: 'inherit' }).status !== 0) throw new Error(`failed: RUN ${text}`)
        break
      case 'ENV': {
        const [, name, value] = /^(\w+)=(.*)$/.exec(text) ?? []
        stage.env[name] = value
        break
      }
      case 'HEALTHCHECK':
        stage.healthcheck = JSON.parse(text.slice(text.indexOf('[')))
        break
      case 'ENTRYPOINT':
        stage.entrypoint = JSON.parse(text)
        break
      case 'USER': case 'EXPOSE': case 'VOLUME':
        break
      default: throw new Error(`the dry run does not know ${instruction}`)
    }
  }
  return stage
}

function copy (text, roots, inside) {
  const words = text.split(/\s+/)
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
  const paths = words.filter((word) => !word.startsWith('--'))
  const target = paths.pop()
  for (const path of paths) {
    const source = from === undefined ? join(context, path) : join(roots.get(from), path)
    cpSync(source, target.endsWith('/') ? join(inside(target), path) : inside(target), { recursive: true })
  }
}

/** Starts the last stage as the image would, with the few settings that have no default, and waits for its own healthcheck. */
async function start ({ root, folder, env, entrypoint, healthcheck }) {
  const data = join(root, 'data')
  if (!existsSync(data)) throw new Error('the image has no data folder')
  const settings = {
    ...env,
    JOINTGATE_STORAGE: env.JOINTGATE_STORAGE.replace('/data', data),
    JOINTGATE_SECRET_KEYS: randomBytes(32).toString('base64'),
    JOINTGATE_APP_ID: 'dry-run',
    JOINTGATE_PUBLIC_URL: 'https://app.example.com',
    JOINTGATE_UPSTREAM: 'http://127.0.0.1:3000',
  }
  const cwd = join(root, folder)
  const [program, ...args] = entrypoint
  const gateway = spawn(program, args, { cwd, env: { PATH: process.env.PATH, ...settings }, stdio: 'inherit' })
  const ended = new Promise((resolve) => { gateway.on('close', resolve) })
  try {
    const isHealthy = await askHealth(healthcheck, cwd, gateway)
    gateway.kill('SIGTERM')
    const code = await ended
    if (!isHealthy || code !== 0) throw new Error(`healthy: ${isHealthy}, exit code after SIGTERM: ${code}`)
  } finally {
    gateway.kill('SIGKILL')
  }
}

async function askHealth ([program, ...args], cwd, gateway) {
  for (let attempt = 0; attempt < 40 && gateway.exitCode === null; attempt++) {
    if (spawnSync(program, args, { cwd }).status === 0) return true
    await new Promise((resolve) => { setTimeout(resolve, 250) })
  }
  return false
}

try {
  await start(execute(parseDockerfile(readFileSync(join(context, 'Dockerfile'), 'utf8'))))
  console.log('The Dockerfile\'s commands work: the entry point started, its healthcheck passed, SIGTERM ended it in order.')
} finally {
  rmSync(image, { recursive: true, force: true })
}
