// What `npm test` runs: lint, types and the generated pages side by side, then every test, then one closing line with the
// numbers. Plain node, so that it runs before anything is compiled. With CI=true a skipped or unfinished test is a failure.
// `npm run test:heavy` runs the suites that would make the default run longer than three minutes, and nothing beside them.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

const browsers = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

const steps = [
  ['lint', 'npx', ['eslint', '--cache', '--cache-location', '.tap/eslint', '.']],
  ['types of src', 'npx', ['tsc', '--noEmit']],
  ['types of test', 'npx', ['tsc', '-p', 'test']],
  ['generated pages', 'npm', ['run', '--silent', 'docs', '--', '--check']],
]

/** Runs one command and tells how long it took; its output comes only if it failed. */
async function run (name, command, args) {
  const startedAt = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = []
  child.stdout.on('data', (chunk) => output.push(chunk))
  child.stderr.on('data', (chunk) => output.push(chunk))
  const code = await exitOf(child)
  if (code !== 0) process.stdout.write(Buffer.concat(output))
  tell(code === 0, name, startedAt)
  return code === 0
}

function exitOf (child) {
  return new Promise((resolve) => {
    child.on('error', () => resolve(127))
    child.on('close', resolve)
  })
}

function tell (isOk, name, startedAt) {
  console.log(`${isOk ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`)
}

function findProgram (names, folders = (process.env.PATH ?? '').split(delimiter)) {
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable (path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const installLine = (packageName) => `apt-get update && apt-get install -y --no-install-recommends ${packageName}`

/**
 * A program that the tests need beside npm's, by its names or by a search of its own. Told by name when it can't be brought here: nothing
 * is skipped silently.
 */
async function findOrInstall (names, packageName, find = () => findProgram(names)) {
  const found = find()
  if (found !== undefined) return found
  if (process.getuid?.() === 0 && findProgram(['apt-get']) !== undefined) {
    await run(`install ${packageName}`, 'sh', ['-c', `export DEBIAN_FRONTEND=noninteractive; ${installLine(packageName)}`])
  }
  const installed = find()
  if (installed === undefined) console.error(`The tests need ${packageName}. Install it, as root:\n  ${installLine(packageName)}`)
  return installed
}

/** Debian's packages are for Debian's own Python, which may not be the first in PATH. */
const findPython = () => ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', 'import cryptography, jwt']).status === 0)

/** What the samples of docs/upstream are built and run with. The Python, if all is there. */
async function findSampleTools () {
  const python = process.env.PYTHON_PATH ?? await findOrInstall([], 'python3-jwt python3-cryptography', findPython)
  const hasJava = await findOrInstall(['javac'], 'default-jdk-headless') !== undefined
  const hasGo = await findOrInstall(['go'], 'golang-go') !== undefined
  return hasJava && hasGo ? python : undefined
}

/** The reverse proxies whose configurations stand in docs/forward-auth. */
async function findReverseProxies () {
  for (const name of ['nginx', 'caddy', 'haproxy', 'apache2']) {
    // Not in everybody's PATH.
    if (await findOrInstall([name], name, () => findProgram([name]) ?? findProgram([name], ['/usr/sbin'])) === undefined) return false
  }
  return true
}

/**
 * Reads tap's stream: a line for each file as it ends, what failed in full, and at last the numbers (asserts of all files), which
 * stand in the comment `# { total: …, pass: … }`.
 */
function readTap (stream) {
  const counts = { pass: 0, fail: 0, skip: 0, todo: 0 }
  let isInFailure = false
  createInterface({ input: stream }).on('line', (line) => {
    const [, isNotOk, file, milliseconds] = /^(not )?ok \d+ - (\S+)(?:.*# time=([\d.]+)ms)?/.exec(line) ?? []
    if (file !== undefined) console.log(`${isNotOk ? 'FAILED' : 'ok    '} ${file} (${(Number(milliseconds ?? 0) / 1000).toFixed(1)} s)`)
    // What a heavy suite has measured: told, not judged.
    if (isHeavy && /^ +# (?!Subtest|time=|\{)/.test(line)) console.log(line)
    if (/^ *not ok/.test(line)) isInFailure = true
    if (isInFailure) console.log(line)
    if (/^ +\.\.\.$/.test(line)) isInFailure = false
    const [, summary = ''] = /^# \{ (.*) \}$/.exec(line) ?? []
    for (const [, key, number] of summary.matchAll(/(\w+): (\d+)/g)) counts[key] = Number(number)
  })
  return counts
}

async function runTests (programs) {
  const startedAt = performance.now()
  const child = spawn('npx', ['tap', 'run', '--disable-coverage', '--reporter=tap', ...(isHeavy ? ['--jobs=1'] : []), ...files],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...programs } })
  const counts = readTap(child.stdout)
  const isPassed = await exitOf(child) === 0
  tell(isPassed, 'tests', startedAt)
  return { isPassed, counts }
}

const isHeavy = process.argv[2] === 'heavy'
// None named: those that package.json includes. The heavy ones one after the other: they kill, and they measure.
const files = isHeavy ? readdirSync('test/heavy').filter((name) => name.endsWith('.test.ts')).map((name) => `test/heavy/${name}`) : []

const browser = process.env.CHROMIUM_PATH ?? await findOrInstall(browsers, 'chromium')
if (browser === undefined || await findOrInstall(['redis-server'], 'redis-server') === undefined) process.exit(1)
const python = isHeavy ? await findSampleTools() : undefined
if (isHeavy && (python === undefined || !await findReverseProxies())) process.exit(1)

const checks = isHeavy ? [] : await Promise.all(steps.map(([name, command, args]) => run(name, command, args)))
const { isPassed, counts: { pass, fail, skip, todo } } = await runTests({ CHROMIUM_PATH: browser, ...(isHeavy ? { PYTHON_PATH: python } : {}) })
const isComplete = process.env.CI !== 'true' || skip + todo === 0
if (!isComplete) console.log('CI=true: skipped and unfinished tests count as failures.')
const hasFailed = checks.includes(false) || !isPassed || fail > 0 || pass === 0 || !isComplete
// A failed step without a failed test would read as success: it counts as one failure each.
const failures = fail + checks.filter((isOk) => !isOk).length + (!isPassed && fail === 0 ? 1 : 0)
console.log(`${pass} passed, ${failures} failed${skip > 0 ? `, ${skip} skipped` : ''}${todo > 0 ? `, ${todo} to do` : ''}`)
process.exitCode = hasFailed ? 1 : 0
