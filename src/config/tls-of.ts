import type { TlsSettings } from '../forward/tls-server.ts'
import type { Config } from './load-config.ts'

export function tlsOf ({ listen: { tlsCertificate: certificate, tlsKey: key } }: Config): TlsSettings | undefined {
  return certificate === undefined || key === undefined ? undefined : { certificate, key }
}
