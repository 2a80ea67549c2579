import { shortRef, type Session } from '../session/session.ts'

/** The audit line of what happened to a session: whose it was, and enough of its ref to find its other lines (C-34). */
export function sessionLine (event: string, { ref, tenantId, userName }: Pick<Session, 'ref' | 'tenantId' | 'userName'>) {
  return { event, sessionRef: shortRef(ref), tenantId, userName }
}
