import { posix } from 'node:path'
import ts from 'typescript'

/** A tree as the checker sees it: text by path from the project's root, such as `src/base/clock.ts`. */
export type SourceTree = ReadonlyMap<string, string>

/** Rooms in the order of the plan: each may import from those before it. The single files of `src/` stand among them. */
const order = [
  'base', 'directory', 'session', 'telemetry', 'storage', 'pages', 'provisioning', 'push', 'sign-in', 'forward', 'console', 'simulator', 'doctor', 'config',
  'app.ts', 'compose.ts', 'commands', 'main.ts',
]

const maxLines = 250
const forbiddenNames = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'types', 'misc'])
// Put together here, so that this file doesn't name what it forbids.
const machinePaths = [['', 'work', ''], ['..', 'shared', ''], ['', '.library']].map((parts) => parts.join('/'))

/** Everything in the tree that breaks a rule of the house, one sentence each; empty when all is well. */
export function findViolations (tree: SourceTree): string[] {
  const sources = [...tree.keys()].filter((path) => path.startsWith('src/') && path.endsWith('.ts'))
  const graph = new Map([...tree].filter(([path]) => path.endsWith('.ts')).map(([path, text]) => [path, importsOf(path, text, tree)]))
  return [
    ...sources.flatMap((path) => judgeName(path)),
    ...sources.flatMap((path) => judgeText(path, tree.get(path) ?? '')),
    ...sources.flatMap((path) => (graph.get(path) ?? []).flatMap((target) => judgeImport(path, target))),
    ...findCycles(sources, graph),
    ...findUnreached(sources, graph, tree),
    ...[...tree].flatMap(([path, text]) => machinePaths.filter((part) => text.includes(part)).map((part) => `${path} names ${part}, a path of one machine`)),
    ...[...tree].flatMap(([path, text]) => judgeView(path, text)),
  ]
}

/** The files of the tree that a file imports: static and dynamic imports, re-exports, `import type`. */
function importsOf (path: string, text: string, tree: SourceTree): string[] {
  return ts.preProcessFile(text).importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => posix.join(posix.dirname(path), fileName))
    .filter((target) => tree.has(target))
}

const roomOf = (path: string): string => path.split('/')[1] ?? ''

function judgeImport (path: string, target: string): string[] {
  if (!target.startsWith('src/')) return [`${path} imports ${target}, which is not part of the product`]
  const [from, to] = [roomOf(path), roomOf(target)]
  if (order.indexOf(to) > order.indexOf(from)) return [`${path} imports ${target}: ${to} stands behind ${from}`]
  // What is for the desk must not be in the gateway.
  if (to === 'simulator' && !['simulator', 'doctor', 'commands'].includes(from)) return [`${path} imports ${target}: only the doctor and commands may use the simulator`]
  return []
}

function judgeName (path: string): string[] {
  const name = posix.basename(path, '.ts')
  const found: string[] = []
  if (!order.includes(roomOf(path))) found.push(`${path}: the plan has no room "${roomOf(path)}"`)
  if (path.split('/').some((part) => forbiddenNames.has(posix.basename(part, '.ts')))) found.push(`${path}: a name that says nothing`)
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name)) found.push(`${path}: not kebab-case`)
  return found
}

function judgeText (path: string, text: string): string[] {
  const found: string[] = []
  const lines = text.split('\n').length - 1
  if (lines > maxLines) found.push(`${path} has ${lines} lines, more than ${maxLines}`)
  if (/^export (?:default\b|\{[^}]*\bas default\b)/m.test(text)) found.push(`${path} has a default export`)
  if (/\bprocess\s*(?:\?\.|\.|\[\s*['"])env\b|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/.test(text) && roomOf(path) !== 'config') {
    found.push(`${path} reads the environment, which only config does`)
  }
  return found
}

/** Eta writes `<%~` without escaping. It may write what a template has rendered, and nothing else: a partial, or a layout's body. */
function judgeView (path: string, text: string): string[] {
  if (!path.startsWith('views/')) return []
  const raw = text.match(/<%[-_]?~[^%]*%>/g) ?? []
  const isRendered = (tag: string) => /^<%~\s*include\('[@./\w-]+'(?:,\s*it)?\)\s*%>$/.test(tag) || (path === 'views/layout.eta' && tag === '<%~ it.body %>')
  return raw.filter((tag) => !isRendered(tag)).map((tag) => `${path} writes without escaping: ${tag}`)
}

function findCycles (sources: readonly string[], graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const finished = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push(`a cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}`)
    } else if (!finished.has(path)) {
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
      finished.add(path)
    }
  }
  for (const path of sources) visit(path, [])
  return found
}

/** Coverage doesn't count a file that no test loads, so this does. A test that starts `src/main.ts` as a process reaches it too. */
function findUnreached (sources: readonly string[], graph: ReadonlyMap<string, readonly string[]>, tree: SourceTree): string[] {
  const reached = new Set<string>()
  const pending = [...graph.keys()].filter((path) => path.endsWith('.test.ts'))
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    pending.push(...graph.get(path) ?? [])
    const text = path.startsWith('test/') ? tree.get(path) ?? '' : ''
    pending.push(...sources.filter((source) => text.includes(`../${source}'`)))
  }
  return sources.filter((path) => !reached.has(path)).map((path) => `${path} is reached by no test`)
}
