import { decideEntry } from '../../directory/open-instances.ts'
import { found, passed, type Check } from '../login-attempt.ts'

/** A valid login is no proof of authorisation (`login.md` §8): the pushes decide who may enter. */
export const decideAccount: Check = async (attempt, { directory, settings, clock, contract }) => {
  const { userName } = found(attempt, 'userinfo')
  const view = await directory.viewAccess('production', found(attempt, 'tenantId'), settings.appId, userName)
  const { decision, mustChoose } = decideEntry(view, { now: clock.now(), contract })
  if (decision.kind === 'refuse') return { ...decision, kind: 'refused' }
  return passed({ principal: decision.principal, knownLoss: decision.lastLoss, mustChoose })
}
