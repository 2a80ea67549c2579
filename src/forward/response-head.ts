import type { UpstreamHeaders } from './response-headers.ts'

/** What node lets into a status line and into a header; undici decodes the upstream's reason as UTF-8. */
const safe = /^[\t\x20-\x7e\x80-\xff]*$/

export function isHeaderSafe (text: string): boolean {
  return safe.test(text)
}

/**
 * A `103` as it goes to the client: with what its final response may have, too (RFC 8297 §2).
 *
 * @param headers flat, as of a response to the client
 */
export function hintHeadOf (headers: readonly (string | readonly string[])[]): string {
  let head = 'HTTP/1.1 103 Early Hints\r\n'
  for (let index = 0; index < headers.length; index += 2) {
    const name = String(headers[index])
    // Node's own function takes no list of links. Nothing in here may end the head, and there is no body to have a length.
    for (const value of [headers[index + 1] ?? ''].flat()) {
      if (name !== 'content-length' && isHeaderSafe(value)) head += `${name}: ${value}\r\n`
    }
  }
  return `${head}\r\n`
}

/** @throws for a coding that nobody asked for and nobody undoes: without its name the body would be something else (RFC 9112 §6.1) */
export function refuseUnaskedCoding ({ 'transfer-encoding': coding }: UpstreamHeaders): void {
  if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') throw new Error('the upstream used a transfer coding besides chunked')
}
