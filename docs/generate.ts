import { readFileSync, writeFileSync } from 'node:fs'
import { renderConfiguration } from './render-configuration.ts'
import { renderDoctor } from './render-doctor.ts'
import { renderErrors } from './render-errors.ts'

// `npm run docs` writes the generated pages; `npm run docs -- --check` fails if one of them is not what the sources say.
const pages = { 'configuration.md': renderConfiguration(), 'doctor.md': renderDoctor(), 'errors.md': renderErrors() }
const isCheck = process.argv.includes('--check')

for (const [name, text] of Object.entries(pages)) {
  const path = new URL(name, import.meta.url)
  if (!isCheck) writeFileSync(path, text)
  else if (readOrEmpty(path) !== text) {
    process.stderr.write(`docs/${name} is not what the sources say: run npm run docs\n`)
    process.exitCode = 1
  }
}

function readOrEmpty (path: URL): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
