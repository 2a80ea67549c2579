/** What is known of one access key. The key itself is never kept. */
export interface KeyUsage {
  /** The beginning of the key's SHA-256. */
  readonly fingerprint: string
  /** What the key is for: the interfaces whose calls it signs. */
  readonly kind: string
  /** Epoch ms when the gateway first ran with the key. */
  readonly firstSeenAt: number
  /** Epoch ms of the last message that it had signed. */
  readonly lastUsedAt: number | undefined
  /** How many messages it had signed. */
  readonly uses: number
}

/** How old the access keys are and which of them still sign. A fault rejects with `GW_STORAGE_UNAVAILABLE`. */
export interface KeyUsageStore {
  /** At start: remembers when each key was there first. */
  see (kind: string, fingerprints: readonly string[], now: number): Promise<void>
  /** A verified message was signed with the key. Counts that a power cut takes are missed by nobody. */
  use (kind: string, fingerprint: string, now: number): Promise<void>
  /** By kind, then by fingerprint. */
  list (): Promise<KeyUsage[]>
}
