import { decideAccess } from '../../directory/decide-access.ts'
import { found, passed, refused, type Check } from '../login-attempt.ts'

/** A valid login is no proof of authorisation (`login.md` §8): the pushes decide who may enter. */
export const decideAccount: Check = async (attempt, { directory, settings }) => {
  const { userName } = found(attempt, 'userinfo')
  const view = await directory.viewAccess('production', found(attempt, 'tenantId'), settings.appId, userName)
  const decision = decideAccess(view)
  if (decision.kind === 'refuse') return refused(decision.reason)
  return passed({ principal: decision.principal, knownLoss: decision.lastLoss })
}
