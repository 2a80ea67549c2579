import type { DirectoryStore } from '../directory/directory-store.ts'
import type { OpenedProvisioning } from '../provisioning/open-provisioning.ts'
import { createFailedCalls, type FailedCallsOptions } from './failed-calls.ts'
import type { PushRoutesOptions } from './routes.ts'

export interface PushParts extends Omit<PushRoutesOptions, 'failedCalls'>, FailedCallsOptions {
  readonly directory: DirectoryStore
  readonly provisioning: OpenedProvisioning
}

/** What the routes need for the marketplace's calls. Whatever one commits is seen by whoever tells the seller's system. */
export function wirePush (parts: PushParts): PushRoutesOptions {
  const { rateLimiter, clientAddressOf, perAddress, log, ...others } = parts
  return {
    ...others,
    directory: { ...parts.directory, commit: parts.provisioning.commit },
    failedCalls: createFailedCalls({ rateLimiter, clientAddressOf, perAddress, log, clock: parts.clock }),
  }
}
