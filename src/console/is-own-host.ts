import { isLoopbackHost } from '../base/loopback-host.ts'

/**
 * Whether a `Host` header names this machine or the address that the listener was given. A foreign page whose name was pointed at a
 * loopback address (DNS rebinding) would be of one origin with the console for its browser; the header still tells that name.
 */
export function isOwnHost (header: string | undefined, configuredHost: string): boolean {
  const name = /^(\[[\da-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(header ?? '')?.[1]?.toLowerCase()
  if (name === undefined) return false
  return isLoopbackHost(name) || name.replace(/^\[|\]$/g, '') === configuredHost.toLowerCase()
}
