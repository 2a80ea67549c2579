import { resolve } from 'node:path'
import { LineCounter, parseDocument, type Document } from 'yaml'
import { readFailure, type Sources } from './read-variables.ts'

/** Keys and values as somebody wrote them, not yet judged. */
export type Written = Record<string, unknown>

export function isWritten (value: unknown): value is Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The file's keys; none when no file is named and `jointgate.yaml` isn't there. */
export function readConfigFile ({ cwd, readFile }: Sources, named: string | undefined, complaints: string[]): Written {
  const path = resolve(cwd, named ?? 'jointgate.yaml')
  let text: string
  try {
    text = readFile(path)
  } catch (error) {
    const failure = readFailure(error)
    if (named !== undefined || failure !== 'ENOENT') complaints.push(`cannot read the config file ${path} (${failure})`)
    return {}
  }
  // Pretty errors quote the line that they complain of, and it may hold a secret.
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  complaints.push(...document.errors.map((error) => `${path} line ${lines.linePos(error.pos[0]).line}: not YAML (${error.code})`))
  if (document.errors.length > 0) return {}
  const content = contentOf(document)
  if (isWritten(content)) return content
  complaints.push(`${path}: must hold keys and values, without aliases`)
  return {}
}

function contentOf (document: Document): unknown {
  try {
    // Aliases could grow a small file to any size, and no setting needs one.
    return document.toJS({ maxAliasCount: 0 }) ?? {}
  } catch {
    return undefined
  }
}
