import { codeOf, faults } from '../base/coded-errors.ts'

/** @param isSent a connection had taken the request: the upstream may have acted on it */
export function upstreamFault (error: Error, isSent: boolean): Error {
  if (!isSent) return new faults.UpstreamUnreachable({ cause: error })
  const Fault = codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT' ? faults.UpstreamTimeout : faults.UpstreamLost
  return new Fault({ cause: error })
}
