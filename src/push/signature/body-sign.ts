import { hmacSha256 } from '../../base/digest.ts'

/** The name on the wire, in the only spelling the marketplace knows (sync.md §3.6). */
export const bodySignHeader = 'Body-Sign'

/** The header's value for an answer. `body` is the whole body as sent: not a byte may change after this. */
export function bodySign (accessKey: string, body: string | Buffer): string {
  return `sign_type="HMAC-SHA256", signature="${hmacSha256(accessKey, body).toString('base64')}"`
}
