import { isAuthToken, type Parameters } from './auth-token-text.ts'
import { decodeOnce, splitRawQuery, type RawParameter } from './raw-query.ts'
import type { StampRefusal } from './stamp.ts'

/** The query of a base V1 call, well-formed, nothing verified yet. */
export interface V1Query {
  /** 44 characters of Base64. */
  readonly authToken: string
  /** What the other parameters may say: a bare `+` may stand for itself or for a blank (sync.md §3.1). */
  readonly readings: ReadonlyArray<{ readonly variant: 'plus-as-plus' | 'plus-as-blank', readonly parameters: Parameters }>
}

export type V1QueryReading =
  | { readonly kind: 'query', readonly query: V1Query }
  | { readonly kind: 'refused', readonly because: Exclude<StampRefusal, 'signature-stale'> | 'names-repeated' }

/**
 * Reads the query of a base V1 call. The documents say that of a repeated name the first value counts; as readers differ, we take
 * none (T-22, T-50).
 *
 * @param rawQuery what follows the `?`; may be empty
 */
export function readV1Query (rawQuery: string): V1QueryReading {
  // Letters beyond ASCII are no part of a URL: what they mean is each reader's guess.
  if (!/^[\x21-\x7e]*$/.test(rawQuery)) return { kind: 'refused', because: 'signature-malformed' }
  const raw = splitRawQuery(rawQuery)
  const asPlus = decode(raw)
  if (typeof asPlus === 'string') return { kind: 'refused', because: asPlus }
  const asBlank = decode(raw.map(({ name, value }) => ({ name: plusToBlank(name), value: plusToBlank(value) })))
  if (typeof asBlank === 'string') return { kind: 'refused', because: asBlank }

  // Base64 has no blanks, so here a blank can only be a plus sign that somebody decoded.
  const authToken = asPlus.get('authToken')?.replaceAll(' ', '+')
  if (!authToken) return { kind: 'refused', because: 'signature-missing' }
  if (!isAuthToken(authToken)) return { kind: 'refused', because: 'signature-malformed' }
  asPlus.delete('authToken')
  asBlank.delete('authToken')
  const plain = { variant: 'plus-as-plus', parameters: asPlus } as const
  const readings = rawQuery.includes('+') ? [plain, { variant: 'plus-as-blank', parameters: asBlank } as const] : [plain]
  return { kind: 'query', query: { authToken, readings } }
}

const plusToBlank = (text: string): string => text.replaceAll('+', '%20')

function decode (raw: readonly RawParameter[]): Map<string, string> | 'signature-malformed' | 'names-repeated' {
  const parameters = new Map<string, string>()
  for (const { name: rawName, value: rawValue } of raw) {
    const name = decodeOnce(rawName)
    const value = decodeOnce(rawValue)
    if (name === undefined || value === undefined) return 'signature-malformed'
    if (parameters.has(name)) return 'names-repeated'
    parameters.set(name, value)
  }
  return parameters
}
