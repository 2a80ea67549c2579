import { decodeJwt } from 'jose'
import { printJson, printLines } from './print-lines.ts'
import { exitCodes, printUsage } from './report.ts'
import { withStore, type OpenedStore } from './with-store.ts'

const usage = `Usage: jointgate erasures list [--json]

  list      the receipts of what was erased: decoded, and the signed token itself
`

/** `erasures` and the words behind it. */
export async function erasures (words: readonly string[]): Promise<number> {
  const [verb, option, ...rest] = words
  if (verb !== 'list' || (option !== undefined && option !== '--json') || rest.length > 0) return printUsage(usage, words)
  return withStore((store) => listErasures(store, option === '--json'))
}

interface Claims {
  readonly scope: string
  readonly tenant?: string
  readonly instance: string
  readonly asked_for_at: string
  readonly rows: Readonly<Record<string, number>>
}

async function listErasures ({ storage }: OpenedStore, json: boolean): Promise<number> {
  const receipts = (await storage.erasures.listReceipts()).map(({ erasedAt, token }) => {
    return { erasedAt: new Date(erasedAt).toISOString(), claims: decodeJwt<Claims>(token), token }
  })
  if (json) printJson(receipts)
  else if (receipts.length === 0) printLines(['Nothing was erased yet.'])
  else printLines(receipts.flatMap(({ erasedAt, claims, token }) => [describe(erasedAt, claims), `  ${token}`]))
  return exitCodes.ok
}

function describe (erasedAt: string, { scope, tenant, instance, asked_for_at: askedForAt, rows }: Claims): string {
  const counts = Object.entries(rows).map(([kind, count]) => `${count} ${kind}`).join(', ')
  const whose = tenant === undefined ? '' : `${scope === 'account' ? 'an account of ' : ''}tenant ${tenant} at `
  return `${erasedAt}  ${whose}instance ${instance}: ${counts}; asked for at ${askedForAt}`
}
