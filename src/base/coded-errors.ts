import createError from '@fastify/error'

/**
 * Every fault has a stable code; branch on it, never on the text. The texts are safe to show to anybody: no token, no
 * upstream's words, no path. Detail travels in `cause` and ends in the log. `docs/errors.md` is written from this file.
 *
 * A "no" to a known request is no fault: see `directory/refusal.ts`.
 */
export const faults = {
  StorageUnavailable: createError('GW_STORAGE_UNAVAILABLE', 'The gateway cannot reach its storage.', 503),
  StorageCorrupt: createError('GW_STORAGE_CORRUPT', 'A stored value could not be opened with the present keys.', 503),
  UpstreamUnreachable: createError('GW_UPSTREAM_UNREACHABLE', 'The application does not answer.', 502),
  UpstreamTimeout: createError('GW_UPSTREAM_TIMEOUT', 'The application took too long to answer.', 504),
  PathAmbiguous: createError('GW_REQUEST_PATH_AMBIGUOUS', 'The address can be read in more than one way.', 400),
  MethodRefused: createError('GW_REQUEST_METHOD_REFUSED', 'The method is not forwarded.', 405),
  UpgradeRefused: createError('GW_REQUEST_UPGRADE_REFUSED', 'Protocol upgrades are not forwarded.', 501),
  RequestRefused: createError('GW_REQUEST_INVALID', 'The request is malformed.', 400),
  NotFound: createError('GW_REQUEST_NOT_FOUND', 'There is nothing at this address.', 404),
  Internal: createError('GW_INTERNAL', 'Something went wrong inside the gateway.', 500),
} as const

/** What each fault means to the person who operates the gateway. Source of `docs/errors.md`. */
export const faultAdvice: Record<keyof typeof faults, string> = {
  StorageUnavailable: 'The store did not answer. Nobody is let in and nobody loses a session; the client may repeat after `Retry-After`. Check the disk and the data folder.',
  StorageCorrupt: 'A sealed value did not open. Most often a key was taken from `JOINTGATE_SECRET_KEYS` while values sealed with it were still stored. Put it back at the end of the list.',
  UpstreamUnreachable: 'The connection to `JOINTGATE_UPSTREAM` was refused, reset or never made. Check that the application runs and that the address is right.',
  UpstreamTimeout: 'The application did not send response headers in `JOINTGATE_UPSTREAM_TIMEOUT_SECONDS`.',
  PathAmbiguous: 'The path holds a backslash, a control byte, `#`, a raw non-ASCII byte, an encoded slash, an empty or a dot segment, malformed percent-encoding, or another spelling of the gateway\'s prefix. Such paths are read differently by different servers, so none of them is forwarded.',
  MethodRefused: '`TRACE` and `CONNECT` are never forwarded.',
  UpgradeRefused: 'The client asked for a protocol upgrade (WebSocket), which this version does not forward.',
  RequestRefused: 'A request had too many header fields or a framing that is not forwarded, or one to the gateway\'s own addresses had an unreadable body, header or parameter.',
  NotFound: 'There is no page of the gateway at this address under its prefix.',
  Internal: 'An unforeseen fault. The log line with the same support code holds the stack.',
}

/** The stable code of anything thrown, `undefined` if it carries none. */
export function codeOf (error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
