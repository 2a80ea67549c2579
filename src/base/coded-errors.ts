import createError from '@fastify/error'

/**
 * Every fault has a stable code; branch on it, never on the text. The texts are safe to show to anybody: no token, no
 * upstream's words, no path. Detail travels in `cause` and ends in the log. `docs/errors.md` is written from this file.
 *
 * A "no" to a known request is no fault: see `directory/refusal.ts`.
 */
export const faults = {
  StorageUnavailable: createError('GW_STORAGE_UNAVAILABLE', 'The gateway cannot reach its storage.', 503),
  StorageMoved: createError('GW_STORAGE_MOVED', 'The storage is being moved: nothing new is taken in.', 503),
  StorageCorrupt: createError('GW_STORAGE_CORRUPT', 'A stored value could not be opened with the present keys.', 503),
  RenewalPending: createError('GW_SESSION_RENEWAL_PENDING', 'The session waits for the authorization server.', 503),
  UpstreamUnreachable: createError('GW_UPSTREAM_UNREACHABLE', 'The application does not answer.', 502),
  UpstreamLost: createError('GW_UPSTREAM_LOST', 'The connection to the application was lost before its answer came.', 502),
  UpstreamTimeout: createError('GW_UPSTREAM_TIMEOUT', 'The application took too long to answer.', 504),
  PathAmbiguous: createError('GW_REQUEST_PATH_AMBIGUOUS', 'The address can be read in more than one way.', 400),
  MethodRefused: createError('GW_REQUEST_METHOD_REFUSED', 'The method is not forwarded.', 405),
  UpgradeRefused: createError('GW_REQUEST_UPGRADE_REFUSED', 'The protocol upgrade is not forwarded.', 501),
  HeadersTooLarge: createError('GW_REQUEST_HEADERS_TOO_LARGE', 'The headers of the request are too many or too large.', 431),
  RequestRefused: createError('GW_REQUEST_INVALID', 'The request is malformed.', 400),
  RequestStalled: createError('GW_REQUEST_STALLED', 'The rest of the request did not come in time.', 408),
  NotFound: createError('GW_REQUEST_NOT_FOUND', 'There is nothing at this address.', 404),
  NotForwarded: createError('GW_REQUEST_NOT_FORWARDED', 'The request was turned away, and would pass now.', 503),
  Internal: createError('GW_INTERNAL', 'Something went wrong inside the gateway.', 500),
} as const

/** What each fault means to the person who operates the gateway. Source of `docs/errors.md`. */
export const faultAdvice: Record<keyof typeof faults, string> = {
  StorageUnavailable: 'The store did not answer. Nobody is let in and nobody loses a session; the client may repeat after `Retry-After`. Check the disk and the data folder.',
  StorageMoved: '`jointgate storage copy` has sealed off the store of this gateway: what is there is still read, nothing is written. Signed-in people go on; sign-ins, sign-outs and pushes are to be repeated after `Retry-After`. It ends when the gateway is started on the new store, or with `jointgate storage release` when you decide to stay. A gateway does not start on a store that is sealed off.',
  StorageCorrupt: 'A sealed value did not open. Most often a key was taken from `JOINTGATE_SECRET_KEYS` while values sealed with it were still stored. Put it back at the end of the list.',
  RenewalPending: 'The tokens of a session and their grace are over, and the renewal has not come to an end in time: another gateway is at it, many are waiting, or the authorization server has asked for time (`Retry-After`). The request was not let in, the session is kept; the client may repeat after `Retry-After`. If it lasts, look for `session.renewal-unavailable` in the log.',
  UpstreamUnreachable: 'No connection came about: refused, no such host, no TLS, a certificate that is not good, or nothing in time; with several servers, at none of them. The request has reached nobody and may be repeated. Check that the application runs and that the addresses in `JOINTGATE_UPSTREAM`, or the `upstream` of the route, are right.',
  UpstreamLost: 'The request was given to a server of the application, and no answer came that can be read: it closed or reset the connection, did not accept `JOINTGATE_UPSTREAM_CERTIFICATE`, or said something that is not HTTP. It may have acted, so the request is never sent again, to no other server either. The causes in the log line say which; look whether the application crashed or was restarted.',
  UpstreamTimeout: 'The server that got the request did not send response headers in `JOINTGATE_UPSTREAM_TIMEOUT_SECONDS`, or in the `timeoutSeconds` of the route. It may have acted, so the request is never sent again, to no other server either.',
  PathAmbiguous: 'The path holds a backslash, a control byte, `#`, a raw non-ASCII byte, an encoded slash, an empty or a dot segment, malformed percent-encoding, or another spelling of the gateway\'s prefix. Such paths are read differently by different servers, so none of them is forwarded.',
  MethodRefused: '`TRACE` and `CONNECT` are never forwarded.',
  UpgradeRefused: 'The client asked for a protocol upgrade other than to WebSocket, or for a WebSocket by another method than `GET`, with a body, or over HTTP/1.0.',
  HeadersTooLarge: 'A request had more than 200 header fields, or more than 16 KB of address and headers (Node\'s `--max-http-header-size`). Most often cookies of the application, or of its neighbours under the same domain, have piled up in one browser.',
  RequestRefused: 'A request had a framing that is not forwarded, or could not be read at all; or one to the gateway\'s own addresses had an unreadable body, header or parameter.',
  RequestStalled: 'A client sent less than 1 KB of its body in a minute while everybody waited for it. The request to the application was given up; nobody knows how much of it was acted on.',
  NotFound: 'There is no page of the gateway at this address under its prefix.',
  NotForwarded: 'A reverse proxy that asks `/verify` turned a request away, and when it asked for the page to show, the answer was yes: a store or an authorization server had come back in between. The request was not forwarded; the client may repeat it.',
  Internal: 'An unforeseen fault. The log line with the same support code holds the stack.',
}

/** The stable code of anything thrown, `undefined` if it carries none. */
export function codeOf (error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
