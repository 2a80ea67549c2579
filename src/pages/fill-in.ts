/** A piece of a sentence: our words, or data of a person to be set apart from them. */
export interface Segment { readonly text: string, readonly isData: boolean }

/**
 * Splits a sentence at its `{placeholders}`, so that a template can put each value into `<bdi>`: a name that is written right to
 * left, or holds the control characters for it, can't reorder the words around it.
 */
export function fillIn (sentence: string, values: ReadonlyMap<string, string>): Segment[] {
  return sentence.split(/(\{\w+\})/).filter((part) => part !== '').map((part) => {
    const value = values.get(part.slice(1, -1))
    return value === undefined ? { text: part, isData: false } : { text: value, isData: true }
  })
}
