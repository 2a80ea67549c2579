import type { Clock } from '../../base/clock.ts'
import { moveLookMs } from '../move-state.ts'
import type { CopyEnd } from './copy-end.ts'
import { createDifference, type PassReport, type Verification } from './difference.ts'

export interface CopyOptions {
  readonly source: CopyEnd
  readonly target: CopyEnd
  readonly clock: Clock
  /** Waits in real time: gateways are to look meanwhile. */
  readonly wait: (milliseconds: number) => Promise<void>
  /** Ends the copy as a failure does. */
  readonly signal?: AbortSignal
  /** Told of each step. */
  readonly onStep: (step: CopyStep) => void
}

export type CopyStep =
  | { readonly kind: 'pass', readonly report: PassReport }
  /** No renewal of tokens begins; those under way are waited for. */
  | { readonly kind: 'closing' }
  /** From now on the source takes in nothing. */
  | { readonly kind: 'sealed-off' }

export type CopyOutcome =
  | { readonly kind: 'copied', readonly verification: Verification }
  /** Something lies in the target that no copy has put there. */
  | { readonly kind: 'target-in-use' }
  /** The two differ; the source counts on. */
  | { readonly kind: 'different', readonly verification: Verification }

/** While as much is still changing, another pass beside the gateway makes the last one shorter. */
const fewChanges = 1_000
const passesAtMost = 5
/** A gateway's look may be as old, and its clock is not ours. */
const untilAllHaveLookedMs = 2 * moveLookMs + 200
/** Longer than a renewal may take. */
const renewalsAtMostMs = 60_000

/**
 * Copies a store to another one while gateways run on it, so that nobody is signed out and nothing is lost that was acknowledged: see
 * docs/decisions/0008-storage-copy.md. At the end the source is sealed off and the target open; after any failure it is the other way.
 */
export async function copyStorage (options: CopyOptions): Promise<CopyOutcome> {
  const { source, target } = options
  if (await isInUse(target)) return { kind: 'target-in-use' }
  // Until the end no gateway starts on it.
  await target.writeState('moved')
  // What a copy that was killed has left is not what its gateways shall go back to; what somebody sealed off stays so.
  const before = await source.readState() === 'moved' ? 'moved' : undefined
  let isCopied = false
  try {
    const verification = await copy(options)
    if (!verification.isEqual) return { kind: 'different', verification }
    await target.writeState(undefined)
    isCopied = true
    return { kind: 'copied', verification }
  } finally {
    if (!isCopied) await source.writeState(before)
  }
}

async function copy ({ source, target, clock, wait, signal, onStep }: CopyOptions): Promise<Verification> {
  const difference = await createDifference(target)
  const pass = async (): Promise<PassReport> => {
    signal?.throwIfAborted()
    const report = await difference.pass(source, clock.now())
    onStep({ kind: 'pass', report })
    return report
  }
  for (let count = 1; count <= passesAtMost; count++) {
    const { written, removed } = await pass()
    if (written + removed < fewChanges) break
  }
  onStep({ kind: 'closing' })
  await source.writeState('closing')
  await wait(untilAllHaveLookedMs)
  const waitedSince = clock.now()
  while ((await pass()).renewalsUnderWay > 0 && clock.now() < waitedSince + renewalsAtMostMs) await wait(moveLookMs)
  await source.writeState('moved')
  onStep({ kind: 'sealed-off' })
  await wait(untilAllHaveLookedMs)
  await pass()
  return difference.verify()
}

/** A store that another copy has filled, or left, is sealed off; any other that holds something may be somebody's. */
async function isInUse (target: CopyEnd): Promise<boolean> {
  if (await target.readState() !== undefined) return false
  for await (const { kind, value } of target.dump()) if (kind !== 'counter' || value !== 0) return true
  return false
}
