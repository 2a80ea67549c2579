import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { ErasureScope } from '../../directory/erasure.ts'
import type { ArchivedPush } from '../../directory/push-log.ts'
import type { PushMessage } from '../../directory/push-message.ts'
import type { AccessChange } from './compare-access.ts'
import { printLines } from '../print-lines.ts'
import { describeRealm } from './list-pushes.ts'
import { maskKey, maskMembers, maskText } from './mask-members.ts'
import { previewPush, type Preview, type RowChange } from './preview-push.ts'
import { createRecordReader } from './record-reader.ts'
import { readAgain, reportMissing, type ShowWords } from './show-push.ts'
import { exitCodes } from '../report.ts'
import type { OpenedStore } from '../with-store.ts'

/** Prints what a push would change if it came now, and for whom the door would open or close. Changes nothing. */
export async function diffPush (store: OpenedStore, { number, personal }: ShowWords): Promise<number> {
  const push = await store.storage.pushLog.find(number)
  if (push === undefined) return reportMissing(number)
  const message = await readAgain(() => createRecordReader(store.config)(push))
  if (typeof message === 'string') {
    printLines([`Push ${number} is ${message}.`])
    return exitCodes.fault
  }
  printLines(await describeDiff(store, push, message, personal))
  return exitCodes.ok
}

type DiffedStore = Pick<OpenedStore, 'config' | 'clock'> & { readonly storage: { readonly directory: Pick<DirectoryStore, 'export'> } }

/** @param message what the push told the directory, if anything */
export async function describeDiff (
  { config, storage, clock }: DiffedStore, push: ArchivedPush, message: PushMessage | undefined, personal: boolean,
): Promise<string[]> {
  if (message === undefined) {
    return [`Push ${push.number} (${push.interface}, ${push.outcome}) told the directory nothing: it was a question or was refused.`]
  }
  const preview = await previewPush(storage.directory, message, { now: clock.now(), contract: config.contract })
  const mask: Mask = { personal, interface: push.interface }
  const title = `Push ${push.number}, ${push.interface} ${push.generation}, ${describeRealm(push.realm)}, if it came now:`
  return [title, ...describe(preview, mask)]
}

interface Mask { readonly personal: boolean, readonly interface: string }

function describe (preview: Preview, mask: Mask): string[] {
  switch (preview.kind) {
    case 'incomplete': return [`It would be refused: the row is unknown and the member ${preview.member} is missing.`]
    case 'instance-unknown': return ['It would be refused: the instance is unknown, or released before.']
    case 'changed': break
  }
  const { rows, erasures, events, access } = preview
  return [
    ...section('Rows', 'no row changes', rows.flatMap((row) => describeRow(row, mask))),
    ...section('Access', 'nobody gains or loses access', access.map((change) => describeAccess(change, mask.personal))),
    ...(erasures.length > 0 ? section('Erasure after the retention time', '', erasures.map((scope) => describeScope(scope, mask.personal))) : []),
    ...(events.length > 0 ? section('Events for the seller\'s system', '', events.map(({ type, instanceId }) => `${type} ${instanceId}`)) : []),
  ]
}

function section (title: string, nothing: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? ['', `${title}: ${nothing}`] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)]
}

const signs = { new: '+', changed: '~', removed: '-' } as const

function describeRow ({ key, change, members }: RowChange, { personal, interface: name }: Mask): string[] {
  // The row knows better than the call whose a name is.
  const mask = { personal, interface: key[0] === 'tenant' || key[0] === 'department' ? 'tenantSync' : name }
  return [
    `${signs[change]} ${maskKey(key, personal)} (${change})`,
    ...members.map(({ member, before, after }) => `    ${member}: ${show(before, member, mask)} → ${show(after, member, mask)}`),
  ]
}

function show (value: unknown, member: string, mask: Mask): string {
  if (value === undefined) return '(none)'
  const masked = maskMembers(value, mask, member.split('.').at(-1))
  return masked === '' ? '(empty)' : typeof masked === 'string' ? masked : JSON.stringify(masked)
}

const verdicts = { loses: 'LOSES access', gains: 'gains access', 'signs-in-again': 'must sign in again', changes: 'changes' } as const

function describeAccess ({ tenantId, appId, userName, verdict, before, after }: AccessChange, personal: boolean): string {
  return `${personal ? userName : maskText(userName)} of ${tenantId}, ${appId}: ${verdicts[verdict]} (${before} → ${after})`
}

function describeScope (scope: ErasureScope, personal: boolean): string {
  switch (scope.kind) {
    case 'instance': return `instance ${scope.instanceId}`
    case 'tenant': return `tenant ${scope.tenantId} of instance ${scope.instanceId}`
    case 'account': return `account ${personal ? scope.userName : maskText(scope.userName)} of ${scope.tenantId}, instance ${scope.instanceId}`
  }
}
