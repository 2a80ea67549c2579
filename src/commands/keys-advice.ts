import type { KeyState } from '../push/key-states.ts'

const idleDays = 30
const dayMilliseconds = 86_400_000

/** What to do about the access keys, in sentences; a key is exchanged by adding the new one and taking the old one away later. */
export function adviseOnKeys (states: readonly KeyState[], now: number): string[] {
  const kinds = [...new Set(states.map(({ kind }) => kind))]
  return kinds.flatMap((kind) => {
    const configured = states.filter((state) => state.kind === kind && state.isConfigured)
    if (configured.length < 2) return []
    const used = configured.filter(({ lastUsedAt }) => lastUsedAt !== undefined && now - lastUsedAt < idleDays * dayMilliseconds)
    const idle = configured.filter((state) => !used.includes(state) && isOld(state, now))
    return [
      ...(used.length > 1 ? [`${used.length} ${kind} keys are in use (${listOf(used)}): an exchange is under way. Keep all of them until the old one is idle.`] : []),
      ...(used.length > 0 ? idle.map(({ fingerprint }) => `The ${kind} key ${fingerprint} has signed nothing for ${idleDays} days: take it out of ${variableOf(kind)} if the seller centre no longer has it.`) : []),
    ]
  })
}

/** A new key may wait for its first use that long. */
function isOld ({ firstSeenAt }: KeyState, now: number): boolean {
  return firstSeenAt !== undefined && now - firstSeenAt >= idleDays * dayMilliseconds
}

const listOf = (states: readonly KeyState[]): string => states.map(({ fingerprint }) => fingerprint).join(', ')

const variableOf = (kind: string): string => `JOINTGATE_MARKETPLACE_${kind.toUpperCase()}_KEYS`
