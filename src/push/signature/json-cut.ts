/** Why a text can't be verified at all, whatever its signature. */
export type JsonFault = 'not-json-object' | 'too-complex'

export type JsonCut =
  | {
    readonly kind: 'cut'
    /**
     * The top-level members' values by name, in the order of first appearance, without white space. A number of the top level is as
     * it was written, since some signers print it and some don't.
     */
    readonly members: ReadonlyMap<string, string>
    /** A name came twice in one object, at any level: readers differ on which value counts (T-50). */
    readonly hasDuplicateNames: boolean
  }
  | { readonly kind: 'unreadable', readonly because: JsonFault }
