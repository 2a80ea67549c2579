import { readFileSync } from 'node:fs'

/** A file of `test/fixtures`, parsed. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each file has a shape of its own
export function readFixture (name: string): any {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'))
}
