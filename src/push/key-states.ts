import type { KeyUsage } from '../base/key-usage-store.ts'
import { accessKeysOf, fingerprintOf, type KeyKind, type PushKeys } from './push-keys.ts'

/** What can be told of an access key without telling the key. */
export interface KeyState {
  readonly kind: string
  readonly fingerprint: string
  readonly isConfigured: boolean
  /** Epoch ms; absent if no gateway has run with the key yet. */
  readonly firstSeenAt?: number
  /** Epoch ms; absent if the key has signed nothing yet. */
  readonly lastUsedAt?: number
  readonly uses: number
}

const kinds: readonly KeyKind[] = ['kit', 'production']

type Named = Pick<KeyState, 'kind' | 'fingerprint'>

/** The configured access keys, in their order, then those that were there once. */
export function keyStates (keys: PushKeys, usages: readonly KeyUsage[]): KeyState[] {
  const configured = kinds.flatMap((kind) => accessKeysOf(kind, keys).map((key) => ({ kind, fingerprint: fingerprintOf(key) })))
  const former = usages.filter((usage) => !configured.some((key) => isSame(key, usage)))
  return [
    ...configured.map((key) => stateOf(key, true, usages.find((usage) => isSame(key, usage)))),
    ...former.map((usage) => stateOf(usage, false, usage)),
  ]
}

const isSame = (a: Named, b: Named): boolean => a.kind === b.kind && a.fingerprint === b.fingerprint

function stateOf ({ kind, fingerprint }: Named, isConfigured: boolean, usage: KeyUsage | undefined): KeyState {
  if (usage === undefined) return { kind, fingerprint, isConfigured, uses: 0 }
  const { firstSeenAt, lastUsedAt, uses } = usage
  return { kind, fingerprint, isConfigured, firstSeenAt, uses, ...(lastUsedAt !== undefined && { lastUsedAt }) }
}
