import { nearestName } from './nearest-name.ts'

/** What the process brings: its variables, its folder and a way to read a file (UTF-8; throws as `readFileSync` does). */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly readFile: (path: string) => string
}

// Kubernetes puts `NAME_PORT`, `NAME_SERVICE_HOST` and more into every container next to a Service of that name.
const serviceLink = /^JOINTGATE(?:_[A-Z0-9]+)*?_(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/

/**
 * The values of the known variables, by name; `NAME_FILE` brings the text of a file. An empty variable counts as not set.
 *
 * @param names every variable that a setting has
 * @param complaints gets a line for each unknown variable, each file that can't be read, and each value given twice
 */
export function readVariables (sources: Sources, names: readonly string[], complaints: string[]): Map<string, string> {
  const values = new Map<string, string>()
  const set = Object.entries(sources.env).filter(([name, value]) => name.startsWith('JOINTGATE_') && value !== undefined && value !== '')
  for (const [name, value = ''] of set) {
    if (name === 'JOINTGATE_CONFIG' || names.includes(name)) {
      values.set(name, value)
    } else if (!name.endsWith('_FILE') || !names.includes(name.slice(0, -'_FILE'.length))) {
      if (!serviceLink.test(name)) complaints.push(unknownVariable(name, names))
    }
  }
  for (const [fileVariable, path = ''] of set) {
    const name = fileVariable.slice(0, -'_FILE'.length)
    if (!fileVariable.endsWith('_FILE') || !names.includes(name)) continue
    if (values.has(name)) complaints.push(`${name} and ${fileVariable} are both set: keep one`)
    else values.set(name, readValueFile(path, fileVariable, sources, complaints))
  }
  return values
}

function readValueFile (path: string, variable: string, { readFile }: Sources, complaints: string[]): string {
  try {
    return readFile(path).replace(/\s+$/, '')
  } catch (error) {
    complaints.push(`${variable}: cannot read ${path} (${readFailure(error)})`)
    return ''
  }
}

/** `ENOENT` and the like: enough to act on, and no word of the file's. */
export function readFailure (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

function unknownVariable (name: string, names: readonly string[]): string {
  const nearest = nearestName(name, ['JOINTGATE_CONFIG', ...names])
  return `${name}: there is no such variable${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
}
