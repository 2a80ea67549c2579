import { cutJson, cutJsonInTurns } from './cut-json.ts'
import type { JsonCut, JsonFault } from './json-cut.ts'
import { printJacksonNumber, printJacksonString } from './json-tokens.ts'

/** The texts that a signer may have signed, in the order in which they are tried (sync.md §3.5 "Safest verifier"). */
export const textVariants = ['canonical', 'raw', 'all-levels-sorted', 'nulls-kept'] as const

export type TextVariant = (typeof textVariants)[number]

/** Of a base interface's body there is a fifth one. */
export type BaseTextVariant = TextVariant | 'scalars-as-strings'

export type SignableText<Text = string> =
  | {
    readonly kind: 'signable'
    readonly hasDuplicateNames: boolean
    /** The top-level members' values by name: JSON without white space, a number of the top level as it was written. */
    readonly values: ReadonlyMap<string, string>
    /** Written when asked for, since the first one nearly always matches. */
    textOf (variant: BaseTextVariant): Text
  }
  | { readonly kind: 'unreadable', readonly because: JsonFault }

/** A text that can be verified, read at once or in turns. */
export type Signable = SignableText<string | Promise<string>> & { readonly kind: 'signable' }

/** Reads a body once, strictly, for all variants of its signed text. */
export function readSignableText (body: string): SignableText {
  const cut = cutJson(body)
  if (cut.kind === 'unreadable') return cut
  return signable(cut, (variant) => textOf(variant, body, cut, () => printSorted(cutJson(body, 'sorted'))))
}

/** The same with everybody else's turns in between, for a body of any size from anybody. */
export async function readSignableTextInTurns (body: string): Promise<SignableText<string | Promise<string>>> {
  const cut = await cutJsonInTurns(body)
  if (cut.kind === 'unreadable') return cut
  return signable(cut, (variant) => textOf(variant, body, cut, async () => printSorted(await cutJsonInTurns(body, 'sorted'))))
}

function signable<Text> (cut: JsonCut & { kind: 'cut' }, textOf: (variant: BaseTextVariant) => Text): SignableText<Text> {
  return { kind: 'signable', hasDuplicateNames: cut.hasDuplicateNames, values: cut.members, textOf }
}

function textOf<Text> (variant: BaseTextVariant, body: string, cut: JsonCut, sorted: () => Text): Text | string {
  switch (variant) {
    case 'canonical': return printSorted(cut)
    case 'raw': return body
    case 'all-levels-sorted': return sorted()
    case 'nulls-kept': return printSorted(cut, { nulls: 'kept' })
    case 'scalars-as-strings': return printSorted(cut, { scalars: 'as-strings' })
  }
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
