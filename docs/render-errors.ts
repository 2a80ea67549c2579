import { faultAdvice, faults } from '../src/base/coded-errors.ts'
import { refusalAdvice } from '../src/directory/refusal-advice.ts'
import { refusalReasons, statusOf } from '../src/directory/refusal.ts'

const head = `# Refusals and faults

Written by \`npm run docs\` from \`src/directory/refusal.ts\`, \`src/directory/refusal-advice.ts\` and \`src/base/coded-errors.ts\`.

A **refusal** is a "no" to a request that the gateway understood. The page, the problem body of an XHR and the log line carry the same
reason and the same support code. A **fault** is something that went wrong; it has a stable code. Neither text ever holds a
token, a query or a word of the application's; the log line with the support code holds the causes.
`

export function renderErrors (): string {
  return [head, renderRefusals(), renderFaults()].join('\n')
}

function renderRefusals (): string {
  const rows = refusalReasons.map((reason) => `| \`${reason}\` | ${statusOf(reason)} | ${refusalAdvice[reason]} |`)
  return `## Refusals\n\n| Reason | Status | What it means and what helps |\n|---|---|---|\n${rows.join('\n')}\n`
}

function renderFaults (): string {
  const names = Object.keys(faults) as Array<keyof typeof faults>
  const rows = names.map((name) => {
    const { code, statusCode, message } = new faults[name]()
    return `| \`${code}\` | ${statusCode} | ${message} | ${faultAdvice[name]} |`
  })
  return `## Faults\n\n| Code | Status | What the client reads | What it means to the operator |\n|---|---|---|---|\n${rows.join('\n')}\n`
}
