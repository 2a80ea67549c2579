import { cutJson, type JsonCut, type JsonFault } from './json-cutter.ts'
import { printJacksonNumber, printJacksonString } from './json-tokens.ts'

/** The texts that a signer may have signed, in the order in which they are tried (sync.md §3.5 "Safest verifier"). */
export const textVariants = ['canonical', 'raw', 'all-levels-sorted', 'nulls-kept'] as const

export type TextVariant = (typeof textVariants)[number]

/** Of a base interface's body there is a fifth one. */
export type BaseTextVariant = TextVariant | 'scalars-as-strings'

export type SignableText =
  | {
    readonly kind: 'signable'
    readonly hasDuplicateNames: boolean
    /** The top-level members' values by name: JSON without white space, a number of the top level as it was written. */
    readonly values: ReadonlyMap<string, string>
    /** Written when asked for, since the first one nearly always matches. */
    textOf (variant: BaseTextVariant): string
  }
  | { readonly kind: 'unreadable', readonly because: JsonFault }

/** Reads a body once, strictly, for all variants of its signed text. */
export function readSignableText (body: string): SignableText {
  const cut = cutJson(body)
  if (cut.kind === 'unreadable') return cut
  const textOf = (variant: BaseTextVariant): string => {
    switch (variant) {
      case 'canonical': return printSorted(cut)
      case 'raw': return body
      case 'all-levels-sorted': return printSorted(cutJson(body, 'sorted'))
      case 'nulls-kept': return printSorted(cut, { nulls: 'kept' })
      case 'scalars-as-strings': return printSorted(cut, { scalars: 'as-strings' })
    }
  }
  return { kind: 'signable', hasDuplicateNames: cut.hasDuplicateNames, values: cut.members, textOf }
}

/**
 * The canonical text of a body: top-level members in ascending order of their UTF-16 units, those with `null` left out, no white
 * space, all tokens as Jackson 2.17 prints them.
 *
 * @throws TypeError if the body is no JSON object or nested too deep
 */
export function canonicalJson (body: string): string {
  return printSorted(cutJson(body))
}

interface Printing { readonly nulls?: 'removed' | 'kept', readonly scalars?: 'as-json' | 'as-strings' }

function printSorted (cut: JsonCut, { nulls = 'removed', scalars = 'as-json' }: Printing = {}): string {
  if (cut.kind === 'unreadable') throw new TypeError(`no canonical text: ${cut.because}`)
  const print = scalars === 'as-json' ? printValue : printAsString
  const members = Array.from(cut.members)
    .filter(([, value]) => nulls === 'kept' || value !== 'null')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${printJacksonString(name)}:${print(value)}`)
  return `{${members.join(',')}}`
}

function printValue (value: string): string {
  return /^[-\d]/.test(value) ? printJacksonNumber(value) : value
}

/** As Jackson prints what it read into a `Map<String,String>`: of numbers it keeps the digits (sync.md §3.5). */
function printAsString (value: string): string {
  return /^["{[]/.test(value) ? value : `"${value}"`
}
