import { maxHeaderSize, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { TlsServer, type TlsSettings } from './tls-server.ts'
import { UpgradableMessage } from './upgrade.ts'

/** Fastify's options that make the public listener's server: with TLS the same HTTP/1.1 with the same limits, and HTTP/2 beside it. */
export function publicServer (tls: TlsSettings | undefined) {
  const http = { maxHeaderSize, headersTimeout: 30_000, IncomingMessage: UpgradableMessage }
  if (tls === undefined) return { http }
  const serverFactory = (handler: RequestListener, { keepAliveTimeout, requestTimeout }: ServerOptions): Server =>
    new TlsServer({ ...http, keepAliveTimeout, requestTimeout }, tls, handler)
  // `https` is here so that Fastify names the scheme of the address where it listens. Its types want no https beside http.
  return { http, https: {} as unknown as null, serverFactory }
}
