import { readFileSync } from 'node:fs'

// `src/` and `dist/` both lie one level below the root, so the same path serves tsx and the built program.
const views = new URL('../../views/', import.meta.url)

/** A file of `views/`. Only called at start: no request waits for the disk. */
export function readView (path: string): string {
  return readFileSync(new URL(path, views), 'utf8')
}
