import type { IncomingHttpHeaders } from 'node:http'

/** Stands in the list of origins for a client that sends none: no browser. */
const noOrigin = 'none'

/** The only version that there is (RFC 6455 §4.4). */
export const webSocketVersion = '13'

/** 16 random bytes as base64 (RFC 6455 §4.1). */
const keyForm = /^[+/0-9A-Za-z]{22}==$/

/** What is wrong with a WebSocket's opening handshake, beside what `isUpgrade` has asked for. */
export function judgeHandshake (headers: IncomingHttpHeaders): 'good' | 'other-version' | 'malformed' {
  if (headers['sec-websocket-version'] !== webSocketVersion) return 'other-version'
  return keyForm.test(headers['sec-websocket-key'] ?? '') ? 'good' : 'malformed'
}

/**
 * Whether a page of this origin may open a WebSocket with the person's cookie: browsers ask nobody before they let any page open one
 * (T-36; RFC 6455 §10.2).
 *
 * @param origins as browsers spell them; `none` lets clients in that send no `Origin`
 */
export function isOriginAllowed (origin: string | undefined, origins: ReadonlySet<string>): boolean {
  return origins.has(origin ?? noOrigin) && origin !== noOrigin
}
