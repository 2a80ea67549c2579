import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { z } from 'zod'
import type { Secret } from '../base/secret.ts'
import { booleanForm } from './forms.ts'
import { nearestName } from './nearest-name.ts'
import { isWritten, readConfigFile, type Written } from './read-config-file.ts'
import { readVariables, type Sources } from './read-variables.ts'
import { createConfigSchema } from './schema.ts'
import { listSettings, type Setting } from './settings.ts'
import type { StorageSetting } from './storage-form.ts'

type Frozen<Value> = Value extends Secret | string | number | boolean | undefined
  ? Value
  : Value extends ReadonlyArray<infer Member> ? ReadonlyArray<Frozen<Member>> : { readonly [Key in keyof Value]: Frozen<Value[Key]> }

type Settings = Frozen<z.output<ReturnType<typeof createConfigSchema>>>

/** The checked settings, frozen: defaults filled in, paths absolute, addresses normal. Lists may be empty. */
export type Config = Omit<Settings, 'application' | 'storage' | 'redis'> & {
  readonly storage: StorageSetting
  readonly redis: Omit<Settings['redis'], 'replicas'> & { readonly replicas: number }
  readonly application: Omit<Settings['application'], 'name'> & { readonly name: string }
}

export type LoadedConfig =
  | { readonly kind: 'ok', readonly config: Config }
  /** Sentences for a person, every one that can be found at once; none repeats a value. */
  | { readonly kind: 'invalid', readonly complaints: readonly string[] }

/** The one place that reads the environment of the process. */
export function processSources (): Sources {
  return { env: process.env, cwd: process.cwd(), readFile: (path) => readFileSync(path, 'utf8') }
}

/** Reads the file and the variables (which win), checks all, and answers the config or every complaint. */
export function loadConfig (sources: Sources): LoadedConfig {
  const complaints: string[] = []
  const settings = listSettings()
  const variables = readVariables(sources, settings.map((setting) => setting.variable), complaints)
  const written = readConfigFile(sources, variables.get('JOINTGATE_CONFIG'), complaints)
  for (const { path, variable } of settings) assign(written, path, variables.get(variable))
  // How an address may look depends on this one switch, so it is read first; a bad value is complained of with the others.
  const allowHttp = booleanForm.safeParse(written['dangerouslyAllowHttp']).data ?? false
  const parsed = createConfigSchema({ allowHttp }).safeParse(written)
  if (!parsed.success) complaints.push(...parsed.error.issues.flatMap((issue) => describeIssue(issue, settings)))
  if (!parsed.success || complaints.length > 0) return { kind: 'invalid', complaints }

  const { storage, redis, application } = parsed.data
  return {
    kind: 'ok',
    config: freeze({
      ...parsed.data,
      storage: storage.kind === 'lmdb' ? { ...storage, directory: resolve(sources.cwd, storage.directory) } : storage,
      redis: { ...redis, replicas: redis.replicas ?? (storage.kind === 'lmdb' || storage.topology === 'single' ? 0 : 1) },
      application: { ...application, name: application.name ?? new URL(application.publicUrl).host },
    }),
  }
}

/** Puts a variable's text over the file's value, and an area where there is none, so that its missing keys are told too. */
function assign (written: Written, [first = '', second]: readonly string[], value: string | undefined): void {
  const given = value === undefined ? {} : { [second ?? first]: value }
  if (second === undefined) {
    Object.assign(written, given)
    return
  }
  // Where the file has no area but something else, that stays: the schema complains of it.
  const area = written[first] ?? {}
  written[first] = isWritten(area) ? { ...area, ...given } : area
}

function describeIssue (issue: z.core.$ZodIssue, settings: readonly Setting[]): string[] {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = settings.map((setting) => setting.path.join('.'))
    return issue.keys.map((key) => {
      const full = path === '' ? key : `${path}.${key}`
      const nearest = nearestName(full, known)
      return `${full}: there is no such key${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
    })
  }
  const setting = settings.find((candidate) => candidate.path.every((key, index) => key === issue.path[index]))
  if (setting === undefined) return [`${path}: must hold keys and values`]
  const within = issue.path.slice(setting.path.length).map((key) => typeof key === 'number' ? `[${key}]` : `.${String(key)}`)
  return [`${setting.path.join('.')}${within.join('')} (${setting.variable}): ${issue.message}`]
}

function freeze<Value extends object> (value: Value): Value {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freeze(member as object)
  }
  return Object.freeze(value)
}
