/** The store could lose what was acknowledged: a gateway does not start on it. */
export class UnsafeStorageError extends Error {
  readonly code = 'GW_STORAGE_UNSAFE'
  /** Sentences for the operator, each a reason. */
  readonly findings: readonly string[]

  constructor (findings: readonly string[]) {
    super(`the store could lose what was acknowledged: ${findings.join('; ')}`)
    this.findings = findings
  }
}
