import { codeOf } from '../base/coded-errors.ts'
import type { StoreChanges } from '../session/store-changes.ts'
import type { WriteLog } from '../telemetry/early-log.ts'
import type { SigningKeys } from './signing-keys.ts'

/** So late may a gateway learn what another process has done with the keys. */
const lookIntervalMs = 20_000

export interface WatchOptions {
  readonly keys: SigningKeys
  readonly changes: StoreChanges
  readonly log: WriteLog
}

export interface SigningKeyWatch {
  /** What runs by itself; never rejects. */
  readonly look: () => Promise<void>
  close (): void
}

/** Looks at the stored keys now and then, and at once when the store tells that something is new or may have been missed. */
export function watchSigningKeys ({ keys, changes, log }: WatchOptions): SigningKeyWatch {
  let told = keys.current().kid
  let isFailing = false

  const look = async (): Promise<void> => {
    try {
      await keys.look()
      isFailing = false
    } catch (err) {
      // On a store that was moved away nothing can be tidied up; and one failure is told once.
      if (!isFailing && codeOf(err) !== 'GW_STORAGE_MOVED') log('warn', { event: 'signing-keys.not-read', err }, 'the signing keys were not read again; those known go on')
      isFailing = true
    }
    const { kid } = keys.current()
    if (kid !== told) log('info', { event: 'signing-keys.changed', kid, before: told }, 'another key signs the identity assertion')
    told = kid
  }

  const timer = setInterval(() => { void look() }, lookIntervalMs).unref()
  const ignore = changes.listen(({ kind }) => { if (kind === 'anything') void look() })
  return {
    look,
    close () {
      clearInterval(timer)
      ignore()
    },
  }
}
