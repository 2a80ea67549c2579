import type { Sources } from './read-variables.ts'

/** What the files held that a configuration was read from, by path. */
export type ConfigFiles = Readonly<Record<string, string>>

/** The sources as they are, where what is read is written down. */
export function recordSources (sources: Sources): { readonly sources: Sources, readonly files: ConfigFiles } {
  const files: Record<string, string> = {}
  const readFile = (path: string): string => {
    const text = sources.readFile(path)
    files[path] = text
    return text
  }
  return { sources: { ...sources, readFile }, files }
}

/** The same again, whatever has become of the files since. */
export function replaySources (sources: Sources, files: ConfigFiles): Sources {
  const readFile = (path: string): string => {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error('the file was not there'), { code: 'ENOENT' })
    return text
  }
  return { ...sources, readFile }
}
