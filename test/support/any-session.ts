import { sha256 } from '../../src/base/digest.ts'
import { createRandomId } from '../../src/base/random-id.ts'
import type { Session, SessionRef } from '../../src/session/session.ts'
import { appId, tenantId, userName } from './directory-pushes.ts'

/** A session that a store takes, under an id of its own. */
export function anySession (more: Partial<Session> = {}): Session {
  return {
    ref: sha256(createRandomId()) as SessionRef,
    tenantId,
    appId,
    userName,
    knownLoss: '',
    clientId: 'client-1',
    tokens: { accessToken: 'access-token-1', refreshToken: 'refresh-token-1', expiresAt: 2_000_000 },
    createdAt: 1_000_000,
    endsAt: 9_000_000,
    lastSeenAt: 1_000_000,
    renewalDueAt: 1_800_000,
    revision: 1,
    ...more,
  }
}
