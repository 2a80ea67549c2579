declare const brand: unique symbol

/** A string that the compiler won't take for another kind of string. For ids whose mixing would be a breach. */
export type Brand<Name extends string> = string & { readonly [brand]: Name }
