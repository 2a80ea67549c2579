import { cutJson, type JsonCut, type JsonFault } from './json-cutter.ts'

/** The texts that a signer may have signed, in the order in which they are tried (sync.md §3.5 "Safest verifier"). */
export const textVariants = ['canonical', 'raw', 'all-levels-sorted', 'nulls-kept'] as const

export type TextVariant = (typeof textVariants)[number]

export type SignableText =
  | {
    readonly kind: 'signable'
    readonly hasDuplicateNames: boolean
    /** Written when asked for, since the first one nearly always matches. */
    textOf (variant: TextVariant): string
  }
  | { readonly kind: 'unreadable', readonly because: JsonFault }

/** Reads a body once, strictly, for all variants of its signed text. */
export function readSignableText (body: string): SignableText {
  const cut = cutJson(body)
  if (cut.kind === 'unreadable') return cut
  const textOf = (variant: TextVariant): string => {
    switch (variant) {
      case 'canonical': return printSorted(cut, 'removed')
      case 'raw': return body
      case 'all-levels-sorted': return printSorted(cutJson(body, 'sorted'), 'removed')
      case 'nulls-kept': return printSorted(cut, 'kept')
    }
  }
  return { kind: 'signable', hasDuplicateNames: cut.hasDuplicateNames, textOf }
}

/**
 * The canonical text of a body: top-level members in ascending order of their UTF-16 units, those with `null` left out, no white
 * space, all tokens as Jackson 2.17 prints them.
 *
 * @throws TypeError if the body is no JSON object or nested too deep
 */
export function canonicalJson (body: string): string {
  return printSorted(cutJson(body), 'removed')
}

function printSorted (cut: JsonCut, nulls: 'removed' | 'kept'): string {
  if (cut.kind === 'unreadable') throw new TypeError(`no canonical text: ${cut.because}`)
  const members = Array.from(cut.members)
    // Only the literal itself ends so: a string ends with its quote, a container with its bracket.
    .filter(([, member]) => nulls === 'kept' || !member.endsWith(':null'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([, member]) => member).join(',')}}`
}
