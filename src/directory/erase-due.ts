import type { Clock } from '../base/clock.ts'
import type { ErasureReceipt, ErasureStore, ErasureSummary } from './erasure.ts'
import { versionAt } from './push-version.ts'

export interface EraseDueDeps {
  readonly erasures: ErasureStore
  readonly clock: Clock
  /** How long data is kept after the message that asked to forget it. */
  readonly retentionDays: number
  /** Signs what was erased, as a compact JWS. */
  readonly sign: (summary: ErasureSummary, erasedAt: number) => Promise<string>
  /** Told of each receipt, for the audit log. */
  readonly onErased: (summary: ErasureSummary) => void
}

/** One after the other and some at a time, so that a large release holds up nobody. */
const erasuresAtOnce = 100
const dayMilliseconds = 86_400_000

/** Erases the personal data whose time has come; returns the receipts. May be interrupted and run again at any point. */
export async function eraseDue ({ erasures, clock, retentionDays, sign, onErased }: EraseDueDeps): Promise<ErasureReceipt[]> {
  const before = versionAt(clock.now() - retentionDays * dayMilliseconds)
  for (const planned of await erasures.listDue(before, erasuresAtOnce)) await erasures.erase(planned)
  const receipts: ErasureReceipt[] = []
  // Also those of an earlier run that a crash or a full disk kept from being signed.
  for (const { number, summary } of await erasures.listUnsigned()) {
    const erasedAt = clock.now()
    const receipt = { erasedAt, token: await sign(summary, erasedAt) }
    await erasures.keepReceipt(receipt, number)
    onErased(summary)
    receipts.push(receipt)
  }
  return receipts
}
