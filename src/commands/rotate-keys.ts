import { revokeSigningKeys, rotateSigningKeys } from '../forward/rotate-signing-keys.ts'
import { alignColumns, printLines } from './print-lines.ts'
import { exitCodes } from './report.ts'
import { signingKeyFacts, signingKeyRows, timeText } from './signing-keys-table.ts'
import type { WritableStore } from './with-store.ts'

/** `keys rotate`: makes the key that signs identity assertions next; with `--now`, after a leak, instead of all others. */
export async function rotateKeys ({ storage, clock }: WritableStore, isLeak: boolean): Promise<number> {
  const { isNew, key } = await (isLeak ? revokeSigningKeys : rotateSigningKeys)(storage.signingKeys, clock)
  const when = key.signsFrom > clock.now() ? `signs from ${timeText(key.signsFrom)} on` : 'signs already'
  printLines([
    isNew ? `The new key ${key.kid} ${when}.` : `There is a new key already: ${key.kid} ${when}.`,
    ...(isLeak ? afterLeak : []),
    '',
    ...alignColumns(signingKeyRows(signingKeyFacts(await storage.signingKeys.list(), clock.now()))),
  ])
  return exitCodes.ok
}

const afterLeak = [
  'The keys before it count for nothing any more. Gateways learn of it within 20 seconds.',
  'Restart the applications: until one fetches jwks.json again it refuses what the new key signs, and believes what the old ones do.',
]
