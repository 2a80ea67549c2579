import type { KeyObject } from 'node:crypto'
import type { Secret } from '../base/secret.ts'
import type { AppId } from '../directory/model.ts'
import { parseDomainName, type DomainNameRules } from './kit/domain-name.ts'
import type { KitContext, KitReading } from './kit/kit-interface.ts'
import { readKitV1 } from './kit/kit-v1.ts'
import type { ProductionReading } from './production/production-interface.ts'
import { findProductionInterface } from './production/production-interfaces.ts'
import { openAesField } from './signature/aes-field.ts'
import { openClientSecret } from './signature/client-secret.ts'
import type { VerifiedContent } from './verify-call.ts'

/** What reading depends on beside the message. The same rules read the same message alike, also when it is replayed. */
export interface ReadingRules extends DomainNameRules {
  readonly appIds: readonly AppId[]
  /** Where people open an instance that no hook has said anything about. */
  readonly frontEndUrl: string
  /** Whether the seller's system is asked before an instance is ready. */
  readonly hasHook: boolean
}

export interface ReadingKeys {
  readonly privateKeys: readonly KeyObject[]
  /** For V1's encrypted members: the access key that the call was signed with. */
  readonly accessKeys: readonly Secret[]
}

export interface ContentReading {
  /** The name of the interface. */
  readonly interface: string
  readonly reading: KitReading | ProductionReading | { readonly kind: 'interface-unknown' }
  readonly secretPadding?: string
  /** Encrypted members that didn't open and were left out. */
  readonly unopened?: readonly string[]
}

/** Translates a verified call of any interface and generation; nothing is done yet. */
export async function readContent (content: VerifiedContent, rules: ReadingRules, keys: ReadingKeys): Promise<ContentReading> {
  switch (content.scheme) {
    case 'kit-v1': case 'kit-v2': return readKit(content, rules, keys)
    case 'base-v1': return readProduction('v1', Object.fromEntries(content.parameters), content, rules, keys)
    case 'base-v2': return readProduction('v2', content.body, content, rules, keys)
  }
}

async function readKit (
  content: VerifiedContent & { scheme: 'kit-v1' | 'kit-v2' }, rules: ReadingRules, { privateKeys }: ReadingKeys,
): Promise<ContentReading> {
  let secretPadding: string | undefined
  const context: KitContext = {
    appIds: new Set(rules.appIds),
    parseDomainName: (domainName) => parseDomainName(domainName, rules),
    openSecret (sealed) {
      const opened = openClientSecret(sealed, privateKeys)
      secretPadding = opened?.padding
      return opened?.secret
    },
  }
  const { kit } = content
  const reading = content.scheme === 'kit-v1' ? await readKitV1(kit, content.parameters, context) : await kit.read(content.body, context)
  return { interface: kit.name, reading, ...(secretPadding !== undefined && { secretPadding }) }
}

function readProduction (
  generation: 'v1' | 'v2', members: unknown, { version }: VerifiedContent & { scheme: 'base-v1' | 'base-v2' }, rules: ReadingRules, keys: ReadingKeys,
): ContentReading {
  const found = findProductionInterface(generation, (members as { activity?: unknown }).activity)
  if (found === undefined) return { interface: 'unknown', reading: { kind: 'interface-unknown' } }
  const unopened: string[] = []
  const openField = (name: string, sealed: string): string | undefined => {
    const opened = openAesField(sealed, keys.accessKeys)
    if (opened === undefined) unopened.push(name)
    return opened?.text
  }
  const { frontEndUrl, hasHook } = rules
  const reading = found.read(members, { version, frontEndUrl, hasHook, openField })
  return { interface: found.activity, reading, ...(unopened.length > 0 && { unopened }) }
}
