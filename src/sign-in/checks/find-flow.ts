import { isEqualInConstantTime } from '../../base/digest.ts'
import type { LoginFlow } from '../../session/login-flow.ts'
import { readHeldFlows, stateOf, type HeldFlow } from '../flow-cookies.ts'
import { passed, refused, type Check } from '../login-attempt.ts'

/**
 * Which pending login of this browser the callback belongs to.
 *
 * With `state` it must be exactly the one that the state was made from (T-11 a, d). The unified login page returns none
 * (`login.md` §1.1), so without `state` it is this browser's newest live login by that page, or no login of ours at all.
 */
export const findFlow: Check = async ({ state, cookieHeader }, { flows, clock }) => {
  const heldFlows = await readHeldFlows(flows, cookieHeader, clock.now())
  if (state === undefined) {
    const held = heldFlows.find((one) => isLive(one) && one.flow.kind === 'unified')
    return passed({ heldFlows, ...(held !== undefined && isLive(held) ? { held } : {}) })
  }
  const held = heldFlows.find(({ secret }) => isEqualInConstantTime(stateOf(secret), state))
  if (held === undefined) return refused('flow-unknown')
  return isLive(held) ? passed({ heldFlows, held }) : refused('flow-expired')
}

function isLive (held: HeldFlow): held is HeldFlow & { flow: LoginFlow } {
  return held.flow !== undefined
}
