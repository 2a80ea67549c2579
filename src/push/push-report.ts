import type { Realm, TenantId } from '../directory/model.ts'
import type { TextVariant } from './signature/canonical-json.ts'
import type { StampRefusal } from './signature/kit-v2.ts'

/** What became of a push. The log line carries the literal, the marketplace gets the result code that goes with it. */
export type PushOutcome =
  | 'committed' | 'repeated'
  | StampRefusal | 'signature-mismatch'
  | 'interface-unknown' | 'body-too-large' | 'body-broken' | 'body-not-json-object' | 'body-too-complex' | 'names-repeated' | 'member-illegal'
  | 'secret-unreadable'
  | 'failed'

export interface PushReport {
  readonly outcome: PushOutcome
  /** The path of the member that was refused. */
  readonly member?: string
  /** Which access key and which form of the text the marketplace signed with; only after the signature held. */
  readonly keyIndex?: number
  readonly variant?: TextVariant
  readonly realm?: Realm
  readonly tenantId?: TenantId
  readonly secretPadding?: string
  /** Of `failed`: what was thrown. For the log only. */
  readonly cause?: unknown
}

export interface PushResult { readonly resultCode: string, readonly resultMsg: string }

/** The answer that goes with an outcome (sync.md §4.12). A repeat is answered as the first was: both are done. */
export function resultOf ({ outcome, member }: PushReport): PushResult {
  switch (outcome) {
    case 'committed': case 'repeated': return { resultCode: '000000', resultMsg: 'success.' }
    case 'signature-missing': return unauthenticated('x-timestamp, x-nonce or x-sign is missing')
    case 'signature-malformed': return unauthenticated('x-timestamp must have 13 digits, x-nonce 16 to 64 letters and digits, x-sign 64 hex digits')
    case 'signature-stale': return unauthenticated('x-timestamp is more than 60 seconds from our clock')
    case 'signature-mismatch': return unauthenticated('x-sign does not fit the body')
    case 'interface-unknown': return illegal('unknown interface or method')
    case 'body-too-large': return illegal('the body is larger than 16 MiB')
    case 'body-broken': return illegal('the body did not arrive whole')
    case 'body-not-json-object': return illegal('the body is not a JSON object in UTF-8')
    case 'body-too-complex': return illegal('the body is nested too deep or holds too many values')
    case 'names-repeated': return illegal('a name stands twice in one object')
    case 'member-illegal': return illegal(member ?? 'body')
    case 'secret-unreadable': return { resultCode: '000101', resultMsg: 'clientSecret cannot be decrypted with our private key.' }
    case 'failed': return { resultCode: '000005', resultMsg: 'internal error.' }
  }
}

const unauthenticated = (why: string): PushResult => ({ resultCode: '000001', resultMsg: `authentication failed: ${why}.` })

const illegal = (what: string): PushResult => ({ resultCode: '000002', resultMsg: `illegal parameter: ${what}.` })
