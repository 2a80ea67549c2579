import type { InstanceId, Realm, TenantId } from '../directory/model.ts'
import type { JsonFault } from './signature/json-cut.ts'
import type { V1Refusal } from './signature/auth-token.ts'

/** What became of a push. The log line carries the literal, the marketplace gets the result code that goes with it. */
export type PushOutcome =
  | 'committed' | 'repeated' | 'answered'
  | V1Refusal
  | 'interface-unknown' | 'body-too-large' | 'body-broken' | 'body-no-room' | `body-${JsonFault}` | 'member-illegal'
  | 'secret-unreadable'
  | 'instance-unknown' | 'instance-pending' | 'instance-refused' | 'change-refused'
  | 'failed'

export interface PushReport {
  readonly scheme: SignatureScheme
  /** The name of an interface of ours, `unknown` if none was called or it isn't known yet. */
  readonly interface: string
  readonly outcome: PushOutcome
  /** The path of the member that was refused. */
  readonly member?: string
  /** Of a change that was refused: why, in words for the marketplace. */
  readonly why?: string
  /** What the answer says beside code and message. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Of a repeat: what was answered the first time. */
  readonly storedAnswer?: string
  /** Which access key and which form of the text the marketplace signed with; only after the signature held. */
  readonly keyIndex?: number
  readonly keyFingerprint?: string
  readonly variant?: string
  readonly realm?: Realm
  readonly tenantId?: TenantId
  readonly instanceId?: InstanceId
  readonly secretPadding?: string
  /** Encrypted members that no key of ours opened; they were left out. */
  readonly unopened?: readonly string[]
  /** Of `failed`: what was thrown. For the log only. */
  readonly cause?: unknown
}

export interface PushResult { readonly resultCode: string, readonly resultMsg: string }

/** The four ways in which the marketplace signs its calls (sync.md §3.1–3.3). */
export type SignatureScheme = 'kit-v2' | 'kit-v1' | 'base-v2' | 'base-v1'

const stampTexts: Readonly<Record<SignatureScheme, { readonly [Reason in 'missing' | 'malformed' | 'stale' | 'mismatch']: string }>> = {
  'kit-v2': {
    missing: 'x-timestamp, x-nonce or x-sign is missing',
    malformed: 'x-timestamp must have 13 digits, x-nonce 16 to 64 letters and digits, x-sign 64 hex digits',
    stale: 'x-timestamp is more than 60 seconds from our clock',
    mismatch: 'x-sign does not fit the body',
  },
  'base-v2': {
    missing: 'timestamp, nonce or signature is missing in the query',
    malformed: 'timestamp must have 13 digits, nonce 16 to 64 letters and digits, signature 64 hex digits',
    stale: 'timestamp is more than 60 seconds from our clock',
    mismatch: 'signature does not fit the body',
  },
  'kit-v1': {
    missing: 'the header authToken or the member timeStamp is missing',
    malformed: 'authToken must have 44 characters of Base64, timeStamp 17 digits in UTC+8',
    stale: 'timeStamp is more than 10 minutes from our clock',
    mismatch: 'authToken does not fit the body',
  },
  'base-v1': {
    missing: 'authToken or timeStamp is missing in the query',
    malformed: 'authToken must have 44 characters of Base64, timeStamp 17 digits in UTC, all of it percent-encoded UTF-8',
    stale: 'timeStamp is more than 10 minutes from our clock',
    mismatch: 'authToken does not fit the query',
  },
}

/** The answer that goes with an outcome (sync.md §4.12). A repeat is answered as the first was: both are done. */
export function resultOf ({ scheme, outcome, member, why }: PushReport): PushResult {
  switch (outcome) {
    case 'committed': case 'repeated': case 'answered': return { resultCode: '000000', resultMsg: 'success.' }
    case 'signature-missing': return unauthenticated(stampTexts[scheme].missing)
    case 'signature-malformed': return unauthenticated(stampTexts[scheme].malformed)
    case 'signature-stale': return unauthenticated(stampTexts[scheme].stale)
    case 'signature-mismatch': return unauthenticated(stampTexts[scheme].mismatch)
    case 'signature-ambiguous': return unauthenticated('what is signed can be read in two ways')
    case 'interface-unknown': return illegal('unknown interface or method')
    case 'body-too-large': return illegal('the body is too large')
    case 'body-broken': return illegal('the body did not arrive whole')
    case 'body-not-json-object': return illegal('the body is not a JSON object in UTF-8')
    case 'body-too-complex': return illegal('the body is nested too deep or holds too many values')
    case 'names-repeated': return illegal('a name stands twice in one object')
    case 'member-illegal': return illegal(member ?? 'body')
    case 'secret-unreadable': return { resultCode: '000101', resultMsg: 'clientSecret cannot be decrypted with our private key.' }
    case 'instance-unknown': return { resultCode: '000003', resultMsg: 'the instance does not exist.' }
    case 'instance-pending': return { resultCode: '000004', resultMsg: 'the instance is being created.' }
    case 'instance-refused': return { resultCode: '000005', resultMsg: 'the seller\'s system refused to create the instance.' }
    case 'change-refused': return { resultCode: '000005', resultMsg: `the change is refused: ${why ?? 'nobody could check it'}`.slice(0, 255) }
    case 'body-no-room': return { resultCode: '000005', resultMsg: 'too many large bodies at once, try again.' }
    case 'failed': return { resultCode: '000005', resultMsg: 'internal error.' }
  }
}

const unauthenticated = (why: string): PushResult => ({ resultCode: '000001', resultMsg: `authentication failed: ${why}.` })

const illegal = (what: string): PushResult => ({ resultCode: '000002', resultMsg: `illegal parameter: ${what}.` })

/** The answer's text. ASCII only: no reader can mistake its encoding, and of a memo the tables ask for `\u8bf4` (sync.md §4.2). */
export function answerOf (report: PushReport): string {
  if (report.storedAnswer !== undefined) return report.storedAnswer
  return JSON.stringify({ ...resultOf(report), ...report.details })
    .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
