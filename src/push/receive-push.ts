import { isUtf8 } from 'node:buffer'
import { createPrivateKey } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { AppId } from '../directory/model.ts'
import type { PushMessage } from '../directory/push-message.ts'
import { parseDomainName, type DomainNameRules } from './kit/domain-name.ts'
import type { KitContext, KitInterface } from './kit/kit-interface.ts'
import type { PushReport } from './push-report.ts'
import { readSignableText } from './signature/canonical-json.ts'
import { openClientSecret } from './signature/client-secret.ts'
import { readKitV2Stamp, verifyKitV2, windowMilliseconds, type KitV2Stamp, type Verification } from './signature/kit-v2.ts'

export interface ReceivePushOptions extends DomainNameRules {
  readonly directory: Pick<DirectoryStore, 'commit'>
  readonly clock: Clock
  /** All valid at once; an answer is signed with the one that the call was signed with, else with the first. */
  readonly kitKeys: readonly Secret[]
  /** PEM texts, newest first: an old one stays until all tenants were synchronised under the new one. */
  readonly privateKeys: readonly Secret[]
  readonly appIds: readonly AppId[]
}

export interface PushCall {
  readonly kit: KitInterface
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type ReceivePush = (call: PushCall) => Promise<PushReport>

/** Outlives the time window by more than any step of our clock, so that a receipt never goes before the window closes. */
const receiptMarginMilliseconds = 10 * 60_000

/**
 * Takes one Kit V2 call from its bytes to the disk: verify, then read the verified text, then open the secret, then one
 * transaction. Whatever fails on the way has changed nothing.
 *
 * @throws Error at once if a private key is no PEM text
 */
export function createReceivePush (options: ReceivePushOptions): ReceivePush {
  const privateKeys = options.privateKeys.map((key) => createPrivateKey(key.reveal()))
  const context: Omit<KitContext, 'openSecret'> = {
    appIds: new Set(options.appIds),
    parseDomainName: (domainName) => parseDomainName(domainName, options),
  }

  return async ({ kit, headers, body }) => {
    // Again, though the headers were judged before the body was read: a body that dribbles in must not outlive its window.
    const reading = readKitV2Stamp(headers, options.clock.now())
    if (reading.kind === 'refused') return { outcome: reading.because }
    const text = isUtf8(body) ? body.toString() : ''
    const signable = readSignableText(text)
    if (signable.kind === 'unreadable') return { outcome: `body-${signable.because}` }
    const verification = verifyKitV2(reading.stamp, signable, options.kitKeys)
    if (verification.kind === 'refused') return { outcome: verification.because }

    const { keyIndex, variant } = verification
    // Readers differ on which of the two counts, so no form of such a text has one meaning (T-50).
    if (signable.hasDuplicateNames) return { outcome: 'names-repeated', keyIndex, variant }
    let secretPadding: string | undefined
    const openSecret = (sealed: string): Secret | undefined => {
      const opened = openClientSecret(sealed, privateKeys)
      secretPadding = opened?.padding
      return opened?.secret
    }
    const read = await kit.read(JSON.parse(text), { ...context, openSecret })
    if (read.kind === 'illegal') return { outcome: 'member-illegal', member: read.member, keyIndex, variant }
    if (read.kind === 'secret-unreadable') return { outcome: 'secret-unreadable', keyIndex, variant }
    const about = { keyIndex, variant, realm: read.push.realm, tenantId: read.push.tenantId, ...(secretPadding && { secretPadding }) }
    return { ...about, ...await commit(options.directory, read.push, reading.stamp, verification) }
  }
}

async function commit (
  directory: Pick<DirectoryStore, 'commit'>, push: PushMessage, stamp: KitV2Stamp, { signatureDigest }: Verification & { kind: 'verified' },
): Promise<Pick<PushReport, 'outcome' | 'member' | 'cause'>> {
  const expiresAt = Number(stamp.timestamp) + windowMilliseconds + receiptMarginMilliseconds
  try {
    const done = await directory.commit(push, { signatureDigest, expiresAt })
    return done.kind === 'incomplete' ? { outcome: 'member-illegal', member: done.member } : { outcome: done.kind }
  } catch (cause) {
    return { outcome: 'failed', cause }
  }
}
