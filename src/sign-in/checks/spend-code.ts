import { sha256 } from '../../base/digest.ts'
import { found, passed, refused, type Check } from '../login-attempt.ts'

/** Longer than any server keeps a code alive: RFC 6749 §4.1.2 recommends ten minutes at most. */
const codeMemoryMs = 3_600_000

/** A code is sent once, whatever becomes of it: two tabs, the Back button and a failed exchange never repeat it (C-7). */
export const spendCode: Check = async (attempt, { flows, clock }) => {
  const digest = sha256(JSON.stringify([found(attempt, 'tenantId'), found(attempt, 'code')]))
  return await flows.claimCode(digest, clock.now() + codeMemoryMs) ? passed() : refused('code-reused')
}

/** A flow is good once (C-2); of two callbacks at once, one gets it (T-11 c). */
export const spendFlow: Check = async ({ held }, { flows }) => {
  if (held === undefined) return passed()
  return await flows.consumeFlow(held.flow.ref) === undefined ? refused('flow-unknown') : passed()
}
