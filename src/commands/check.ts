import { nameOfUpstream } from '../forward/upstreams/upstream-address.ts'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { sha256 } from '../base/digest.ts'
import type { Secret } from '../base/secret.ts'
import { loadConfig, processSources, type Config } from '../config/load-config.ts'
import type { ListenAddress } from '../config/forms.ts'
import { describeStorage, storageSettingsOf } from '../config/storage-settings-of.ts'
import { configWarnings } from '../config/warnings.ts'
import { fingerprintOf } from '../push/push-keys.ts'
import { checkStorage } from './check-storage.ts'
import { exitCodes, printComplaints } from './report.ts'

/** Judges the configuration, and the store that it names, without starting anything. Keys appear as fingerprints only. */
export async function check (): Promise<number> {
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    printComplaints(loaded.complaints)
    return exitCodes.config
  }
  const { config } = loaded
  const { lines: storageLines, isFault } = await checkStorage(storageSettingsOf(config), config.dangerouslyAllowLoss)
  const lines = ['The configuration is valid.', ...describe(config).map(([title, text]) => `  ${title.padEnd(19)} ${text}`)]
  if (storageLines.length > 0) lines.push('', ...storageLines)
  const warnings = configWarnings(config)
  if (warnings.length > 0) lines.push('', 'Warnings:', ...warnings.map((warning) => `  - ${warning}`))
  process.stdout.write(`${lines.join('\n')}\n`)
  return isFault ? exitCodes.fault : exitCodes.ok
}

function describe (config: Config): Array<readonly [string, string]> {
  const { application, listen, storage, secretKeys, marketplace, provisioning, orderQuery, session, contract, retention } = config
  const own = `${application.publicUrl}${application.prefix}`
  return [
    ['application', `${application.name} (appId ${application.id})`],
    ['login address', `${own}/callback (应用登录地址, to register in the seller centre)`],
    ['production address', `${own}/marketplace (生产地址, to register in the seller centre)`],
    ['listens on', hostPort(listen.public)],
    ['operator console', `http://${hostPort(listen.operator)}/`],
    ['upstream', application.upstream.map(nameOfUpstream).join(', ')],
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
