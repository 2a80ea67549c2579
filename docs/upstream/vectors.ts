/** One request to an upstream and what must become of it. */
export interface Vector {
  readonly id: string
  /** What is wrong, or special, about it. */
  readonly why: string
  /** The values of `x-identity-assertion`, one header line each. */
  readonly values: readonly string[]
  /** Other headers of the request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Who the handler must see; absent: 401. */
  readonly identity?: Readonly<Record<string, string | number>>
  /** For the log of whoever refuses; an application of your own may have other words. */
  readonly reason?: string
}

export interface Vectors {
  readonly about: string
  readonly issuer: string
  readonly audience: string
  /** Epoch seconds: the time at which all verdicts hold. */
  readonly now: number
  readonly jwks: { readonly keys: readonly object[] }
  readonly vectors: readonly Vector[]
}
