import type { PushRecord } from '../directory/push-log.ts'
import type { InstancePush, PushMessage } from '../directory/push-message.ts'
import { kitInterfaces } from './kit/kit-interfaces.ts'
import { createPrivateKeyRing, fingerprintOf, type PushKeys } from './push-keys.ts'
import { readContent, type ReadingRules } from './read-content.ts'
import { bodyParameters } from './signature/auth-token.ts'
import { readV1Query } from './signature/auth-token-query.ts'
import { readSignableText } from './signature/canonical-json.ts'
import type { VerifiedContent } from './verify-call.ts'

export interface RecordContext {
  readonly rules: ReadingRules
  /** To open what is sealed in a message: a client's secret, a buyer's telephone number. */
  readonly keys: PushKeys
}

export type ReadRecord = (record: PushRecord) => Promise<PushMessage | undefined>

/**
 * Reads archived calls again into what they told the directory. They were verified when they came: neither signature nor time is
 * looked at. Under the rules and with the keys of then the messages are those of then.
 *
 * @returns a reader that gives `undefined` for a record that told the directory nothing (a query, a refusal)
 * @throws Error at once if a private key is no PEM text
 */
export function createReadRecord ({ rules, keys }: RecordContext): ReadRecord {
  const privateKeys = createPrivateKeyRing()(keys)
  return async (record) => {
    // What the gateway itself changed is archived in the directory's own words.
    if (record.generation === 'own') return JSON.parse(record.content.toString()) as InstancePush
    const content = contentOf(record)
    if (content === undefined) return undefined
    const accessKeys = [...keys.productionKeys, ...keys.kitKeys].filter((key) => fingerprintOf(key) === record.keyFingerprint)
    const { reading } = await readContent(content, rules, { privateKeys, accessKeys })
    return reading.kind === 'message' ? reading.push : undefined
  }
}

function contentOf (record: PushRecord): VerifiedContent | undefined {
  const { generation, version, variant } = record
  const text = record.content.toString()
  const kit = kitInterfaces.find(({ name }) => name === record.interface)
  if (generation === 'v2') {
    const body: unknown = JSON.parse(text)
    if (kit !== undefined) return { scheme: 'kit-v2', kit, body }
    return version === undefined ? undefined : { scheme: 'base-v2', body, version }
  }
  if (kit !== undefined) {
    const signable = readSignableText(text)
    return signable.kind === 'signable' ? { scheme: 'kit-v1', kit, parameters: bodyParameters(signable) } : undefined
  }
  const query = readV1Query(text)
  const parameters = query.kind === 'query' ? query.query.readings.find((reading) => reading.variant === variant)?.parameters : undefined
  return parameters === undefined || version === undefined ? undefined : { scheme: 'base-v1', parameters, version }
}
