/** The part of `oidc-provider` that is used here; the package brings no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export default class Provider {
    constructor (issuer: string, configuration: Record<string, unknown>)
    callback (): (request: IncomingMessage, response: ServerResponse) => void
  }
}
