import { isIP } from 'node:net'
import { checkServerIdentity, connect, type ConnectionOptions, type SecureVersion } from 'node:tls'
import { trustOf } from './line.ts'

export interface TlsTarget {
  readonly host: string
  readonly port: number
  /** The name that the certificate must have, where the address was looked up already. */
  readonly serverName?: string
  readonly authorities: readonly string[]
}

/** What a server shows of itself, judged by nobody yet. */
export interface TlsSight {
  /** Why the chain isn't trusted; `''` if it is, or if the certificate's time is all that is wrong. */
  readonly chainFault: string
  /** Why the name doesn't fit; `''` if it does. */
  readonly nameFault: string
  /** Epoch ms. */
  readonly expiresAt: number
  readonly protocol: string
}

const patienceMilliseconds = 10_000
const timeFaults = new Set(['CERT_HAS_EXPIRED'])

/** @throws Error if no handshake comes about */
export async function lookAtTls (target: TlsTarget): Promise<TlsSight> {
  return shakeHands(target, 'TLSv1.2', 'TLSv1.3')
}

/** Whether a version is spoken that the marketplace's rules end before (sync.md §0.4). */
export async function takesOldTls (target: TlsTarget): Promise<boolean> {
  try {
    await shakeHands(target, 'TLSv1', 'TLSv1.1')
    return true
  } catch {
    // Refused, which is right.
    return false
  }
}

async function shakeHands (target: TlsTarget, minVersion: SecureVersion, maxVersion: SecureVersion): Promise<TlsSight> {
  const { host, port, serverName = host, authorities } = target
  const options: ConnectionOptions = {
    host,
    port,
    minVersion,
    maxVersion,
    ...trustOf(authorities),
    ...(isIP(serverName) === 0 && { servername: serverName }),
    // Nothing is sent over this connection: it is opened to see what is wrong with it.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // OpenSSL signs nothing for old versions otherwise, and then a server that takes them would look as if it refused.
    ...(maxVersion === 'TLSv1.1' && { ciphers: 'DEFAULT@SECLEVEL=0' }),
  }
  return new Promise((resolve, reject) => {
    const socket = connect(options, () => {
      const certificate = socket.getPeerCertificate()
      const fault = String(socket.authorizationError ?? '')
      const sight = {
        chainFault: socket.authorized || timeFaults.has(fault) ? '' : fault,
        nameFault: checkServerIdentity(serverName, certificate)?.message ?? '',
        expiresAt: Date.parse(certificate.valid_to),
        protocol: socket.getProtocol() ?? '',
      }
      socket.destroy()
      resolve(sight)
    })
    socket.setTimeout(patienceMilliseconds, () => { socket.destroy(Object.assign(new Error('no handshake'), { code: 'too-late' })) })
    socket.once('error', reject)
  })
}
