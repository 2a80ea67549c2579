import { createHmac } from 'node:crypto'
import type { Secret } from '../base/secret.ts'

const prefix = 'whsec_'

export type WebhookHeaders = Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>

/**
 * The headers of a message by the Standard Webhooks specification 1.0.0 ("Signature scheme", "Webhook headers"). Each secret gives a
 * signature, so that the receiver may still know the old one while they are changed.
 *
 * @param id the same on every attempt; without a full stop, which parts the signed text
 * @param timestampSeconds of this attempt, epoch seconds
 */
export function signWebhook (secrets: readonly Secret[], id: string, timestampSeconds: number, body: string): WebhookHeaders {
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', keyOf(secret.reveal())).update(`${id}.${timestampSeconds}.${body}`).digest('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': String(timestampSeconds), 'webhook-signature': signatures.join(' ') }
}

function keyOf (secret: string): Buffer {
  return Buffer.from(secret.slice(prefix.length), 'base64')
}
