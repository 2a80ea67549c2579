import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { sha256 } from '../base/digest.ts'
import { accessTokenHeader, identityHeaders, type IdentityHeaderNames } from '../base/header-names.ts'
import type { Secret } from '../base/secret.ts'
import type { ListenAddress } from '../config/forms.ts'
import { identityNamesOf } from '../config/identity-names-of.ts'
import type { Config } from '../config/load-config.ts'
import { describeStorage } from '../config/storage-settings-of.ts'
import { nameOfUpstream } from '../forward/upstreams/upstream-address.ts'
import { fingerprintOf } from '../push/push-keys.ts'

/** What the configuration means, by title. Keys appear as fingerprints only (T-38). */
export function describeSettings (config: Config): Array<readonly [title: string, text: string]> {
  const { application, listen, forwardAuth, storage, secretKeys, marketplace, provisioning, orderQuery } = config
  const { session, contract, retention } = config
  const own = `${application.publicUrl}${application.prefix}`
  return [
    ['application', `${application.name} (appId ${application.id})`],
    ['login address', `${own}/callback (应用登录地址, to register in the seller centre)`],
    ['production address', `${own}/marketplace (生产地址, to register in the seller centre)`],
    ['listens on', hostPort(listen.public)],
    ['TLS', describeTls(listen.tlsCertificate)],
    ['workers', String(config.workers)],
    ['trusted proxies', listen.trustedProxies.join(', ') || 'none: X-Forwarded-For is believed from nobody'],
    ['forward auth', forwardAuth.callers.length === 0 ? 'off' : `${application.prefix}/verify answers ${forwardAuth.callers.join(', ')}`],
    ['operator console', `http://${hostPort(listen.operator)}/`],
    ['upstream', application.upstream.map(nameOfUpstream).join(', ')],
    ['balance', config.upstream.balance],
    ['health path', describeHealth(config.upstream)],
    ['identity headers', describeIdentityNames(identityNamesOf(config))],
    ['stateless callback', `${config.signIn.statelessCallback}: ${statelessCallbacks[config.signIn.statelessCallback]}`],
    ['storage', describeStorage(storage)],
    ['sealing keys', secretKeys.map((key, index) => `${fingerprint(Buffer.from(key.reveal(), 'base64'))}${index === 0 ? ' (seals)' : ''}`).join(', ')],
    ['Kit access keys', describeAccessKeys(marketplace.kitKeys)],
    ['production keys', describeAccessKeys(marketplace.productionKeys)],
    ['private keys', marketplace.privateKeys.map((pem) => describePrivateKey(pem.reveal())).join(', ') || 'none'],
    ['tenant domains', marketplace.tenantDomains.join(', ') || 'any public https name'],
    ['provisioning hook', provisioning.url === undefined ? 'none: instances are ready at once, at the public URL' : new URL(provisioning.url).origin],
    ['order query', orderQuery.accessKeyId === undefined ? 'off' : orderQuery.url ?? 'off'],
    ['purchase', `grace (days: ${contract.graceDays}) ${contract.grace}, expired ${contract.expired}, frozen ${contract.frozen}, released ${contract.released}`],
    ['sessions', `end after ${session.idleTimeoutSeconds} s without a request, after ${session.absoluteTimeoutSeconds} s in any case`],
    ['kept', `pushes for ${retention.pushLogDays} days (at most ${retention.pushLogMegabytes} MB), what is to be erased for ${retention.erasureDays} days`],
  ]
}

const statelessCallbacks = {
  restart: 'a code without our state is dropped, and an own login begins',
  marker: 'a code without our state is taken if a login was begun in this browser, else the person is asked',
  confirm: 'of a code without our state the person is asked each time',
} as const

/** The certificate that is shown, the first of the chain. */
function describeTls (certificates: string | undefined): string {
  if (certificates === undefined) return 'off: plain HTTP/1.1, for a reverse proxy in front'
  const { subjectAltName, subject, validTo } = new X509Certificate(certificates)
  return `on, HTTP/2 too: certificate for ${(subjectAltName ?? subject).replaceAll('\n', ', ')}, valid until ${new Date(validTo).toISOString()}`
}

/** Without its query, which may hold what only the server should know. */
function describeHealth ({ healthPath, healthIntervalSeconds }: Config['upstream']): string {
  return healthPath === undefined ? 'none: only requests tell how a server is' : `${healthPath.replace(/\?.*$/, '')}, every ${healthIntervalSeconds} s`
}

function describeIdentityNames (names: IdentityHeaderNames): string {
  const usual: IdentityHeaderNames = { ...identityHeaders, accessToken: accessTokenHeader }
  const renamed = Object.entries(names).filter(([what, name]) => name !== usual[what as keyof IdentityHeaderNames])
  return renamed.length === 0 ? 'x-identity-…' : `x-identity-…, but ${renamed.map(([what, name]) => `${what}: ${name}`).join(', ')}`
}

const hostPort = ({ host, port }: ListenAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/** Enough to tell two keys apart; of 256 random bits it gives nothing away. */
const fingerprint = (bytes: Buffer): string => sha256(bytes).slice(0, 8)

function describeAccessKeys (keys: readonly Secret[]): string {
  return keys.map(fingerprintOf).join(', ') || 'none'
}

/** By its public half, so that it can be compared with the one in the seller centre. */
export function describePrivateKey (pem: string): string {
  const key = createPublicKey(createPrivateKey(pem))
  return `RSA ${key.asymmetricKeyDetails?.modulusLength} (public half ${fingerprint(key.export({ type: 'spki', format: 'der' }))})`
}
