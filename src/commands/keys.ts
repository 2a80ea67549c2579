import { newestPushes } from '../directory/newest-pushes.ts'
import type { PushLog } from '../directory/push-log.ts'
import { keyStates, type KeyState } from '../push/key-states.ts'
import { describePrivateKey } from './describe-settings.ts'
import { adviseOnKeys } from './keys-advice.ts'
import { alignColumns, printJson, printLines } from './print-lines.ts'
import { withTime } from './pushes/list-pushes.ts'
import { exitCodes, printUsage } from './report.ts'
import { rotateKeys } from './rotate-keys.ts'
import { signingKeyFacts, signingKeyRows, timeText } from './signing-keys-table.ts'
import { withStore, withWritableStore, type OpenedStore } from './with-store.ts'

const usage = `Usage: jointgate keys status [--json]
       jointgate keys rotate [--now]

  status    which access keys are there, how old each is, when it last signed, and what the last pushes were signed with; and the keys
            that sign identity assertions
  rotate    makes the key that signs identity assertions next, also beside a running gateway: it is published at once and signs after
            twenty minutes, and the one before it stays published for an hour
  --now     after a leak: the new key signs at once, and the old ones are taken away. Until an application fetches the keys again it
            refuses what the new key signs, and believes what the old ones do
`

const options: ReadonlyMap<string, string> = new Map([['status', '--json'], ['rotate', '--now']])

/** `keys` and the words behind it. */
export async function keys (words: readonly string[]): Promise<number> {
  const [verb = '', option, ...rest] = words
  const knownOption = options.get(verb)
  if (knownOption === undefined || (option !== undefined && option !== knownOption) || rest.length > 0) return printUsage(usage, words)
  if (verb === 'rotate') return await withWritableStore((store) => rotateKeys(store, option === '--now'))
  return await withStore((store) => printStatus(store, option === '--json'))
}

const pushesShown = 20

async function printStatus ({ config, storage, clock }: OpenedStore, json: boolean): Promise<number> {
  const states = keyStates(config.marketplace, await storage.keyUsage.list())
  const privateKeys = config.marketplace.privateKeys.map((pem) => describePrivateKey(pem.reveal()))
  const signatures = await lastSignatures(storage.pushLog)
  const advice = adviseOnKeys(states, clock.now())
  const signingKeys = signingKeyFacts(await storage.signingKeys.list(), clock.now())
  if (json) {
    printJson({ accessKeys: states.map(withTimes), privateKeys, signingKeys, lastPushes: signatures, advice })
    return exitCodes.ok
  }
  const titles = ['kind', 'key', 'first seen', 'last used', 'uses', '']
  printLines([
    ...(states.length === 0 ? ['No access key is configured.'] : alignColumns([titles, ...states.map(cellsOf)])),
    '',
    'Private keys:',
    ...(privateKeys.length === 0 ? ['  none'] : privateKeys.map((key) => `  ${key}`)),
    '',
    'Keys of the identity assertion:',
    ...(signingKeys.length === 0 ? ['  none yet: the gateway makes one when it starts'] : alignColumns(signingKeyRows(signingKeys))),
    '',
    `The last pushes (at most ${pushesShown}) were signed with:`,
    ...(signatures.length === 0 ? ['  nothing yet'] : alignColumns(signatures.map((push) => [`  ${push.number}`, push.receivedAt, push.interface, push.keyFingerprint]))),
    ...(advice.length === 0 ? [] : ['', ...advice.map((line) => `- ${line}`)]),
  ])
  return exitCodes.ok
}

/** Of changes of our own nobody has signed anything. */
async function lastSignatures (pushLog: Pick<PushLog, 'find' | 'range'>) {
  const pushes = await newestPushes(pushLog, pushesShown, ({ keyFingerprint }) => keyFingerprint !== undefined)
  return pushes.map(withTime).map(({ number, receivedAt, interface: name, keyFingerprint = '' }) => ({ number, receivedAt, interface: name, keyFingerprint }))
}

function withTimes ({ firstSeenAt, lastUsedAt, ...rest }: KeyState) {
  return { ...rest, firstSeenAt: timeText(firstSeenAt), lastUsedAt: timeText(lastUsedAt) }
}

function cellsOf ({ kind, fingerprint, firstSeenAt, lastUsedAt, uses, isConfigured }: KeyState): string[] {
  return [kind, fingerprint, timeText(firstSeenAt) ?? 'not yet', timeText(lastUsedAt) ?? 'never used', String(uses), isConfigured ? '' : 'no longer configured']
}
