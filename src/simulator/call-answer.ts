import type { Secret } from '../base/secret.ts'
import { bodySign, bodySignHeader } from '../push/signature/body-sign.ts'

/** What came back, as the marketplace reads it. */
export interface CallAnswer {
  /** 0 if no answer came. */
  readonly httpStatus: number
  /** Why none came, such as `ECONNREFUSED`, a TLS code or `TimeoutError`; `''` if one did. */
  readonly failureCode: string
  /** Names and values in turn, spelled as they came. */
  readonly rawHeaders: readonly string[]
  /** `''` if there was none. */
  readonly contentType: string
  /** `missing` also when the header's name has another case: the marketplace compares it (sync.md §3.6). */
  readonly bodySign: 'verified' | 'missing' | 'wrong'
  /** How the answer spells the header's name, in whatever case; `''` if it isn't there. */
  readonly bodySignName: string
  /** `''` if the body is none of the protocol's. */
  readonly resultCode: string
  readonly resultMsg: string
  /** The body's members; `undefined` if it is no JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined
  readonly text: string
  readonly durationMilliseconds: number
}

type RawAnswer = Pick<CallAnswer, 'httpStatus' | 'rawHeaders' | 'text' | 'durationMilliseconds'>

/** @param accessKey the key that signed the call; without it nothing is verified */
export function readAnswer (raw: RawAnswer, accessKey?: Secret): CallAnswer {
  const { rawHeaders, text } = raw
  const json = readObject(text)
  const isResult = json !== undefined && 'resultCode' in json && 'resultMsg' in json
  const signature = headerIn(rawHeaders, (name) => name === bodySignHeader)?.value
  const isRight = accessKey !== undefined && signature === bodySign(accessKey.reveal(), text)
  return {
    ...raw,
    failureCode: '',
    contentType: headerIn(rawHeaders, (name) => name.toLowerCase() === 'content-type')?.value ?? '',
    bodySign: signature === undefined ? 'missing' : isRight ? 'verified' : 'wrong',
    bodySignName: headerIn(rawHeaders, (name) => name.toLowerCase() === bodySignHeader.toLowerCase())?.name ?? '',
    resultCode: isResult ? String(json['resultCode']) : '',
    resultMsg: isResult ? String(json['resultMsg']) : 'cannot parse the response body',
    json,
  }
}

function headerIn (rawHeaders: readonly string[], isMeant: (name: string) => boolean): { name: string, value: string } | undefined {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    if (isMeant(name)) return { name, value }
  }
  return undefined
}

function readObject (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
  } catch {
    // HTML, an empty body: for the marketplace all one.
    return undefined
  }
}
