import { createHmac, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { createMarketplace, type Marketplace } from '../../src/simulator/marketplace.ts'
import { ManualClock } from './manual-clock.ts'

export const appId = '0bd452b0-58af-4b98-9bda-6bf59da68d57'
const kitKey = 'kit-test-access-key-0001-not-a-real-key'

let keyPair: { publicKey: string, privateKey: string } | undefined

/** Made once in a run: an RSA key takes a second. */
function applicationKeyPair (): { publicKey: string, privateKey: string } {
  keyPair ??= generateKeyPairSync('rsa', {
    modulusLength: 3072,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return keyPair
}

/** Opens a pushed `clientSecret` with nothing but node:crypto. */
export function openClientSecret (encrypted: string): string {
  const key = { key: applicationKeyPair().privateKey, oaepHash: 'sha256' }
  return privateDecrypt(key, Buffer.from(encrypted, 'base64')).toString()
}

export interface ReceivedPush {
  readonly path: string
  readonly headers: Record<string, string>
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- read member by member, each compared with what is expected
  readonly body: Record<string, any>
}

/** What the gateway's place answers with; tests change it. */
export interface AnswerSettings {
  status: number
  text: string
  headerName: string
  signature: (text: string) => string
}

export const base64Hmac = (text: string): string => createHmac('sha256', kitKey).update(text).digest('base64')

/** x-sign recomputed without the project's code; enough for bodies of texts and small integers. */
export function expectedSign ({ headers, body }: ReceivedPush): string {
  const sorted = JSON.stringify(Object.fromEntries(Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1))))
  return createHmac('sha256', kitKey).update(kitKey + headers['x-nonce'] + headers['x-timestamp'] + sorted).digest('hex').toUpperCase()
}

interface SimulatorRig {
  readonly marketplace: Marketplace
  readonly app: FastifyInstance
  readonly clock: ManualClock
  readonly received: ReceivedPush[]
  readonly answer: AnswerSettings
  readonly url: string
  readonly callbackUrl: string
  readonly stopGateway: () => Promise<void>
}

/** A listening marketplace whose pushes go to a recorder in the gateway's place. */
export async function buildSimulator (t: Test): Promise<SimulatorRig> {
  const received: ReceivedPush[] = []
  const answer: AnswerSettings = { status: 200, text: '{"resultCode":"000000","resultMsg":"success."}', headerName: 'Body-Sign', signature: base64Hmac }
  const gateway = Fastify({ forceCloseConnections: true })
  gateway.removeAllContentTypeParsers()
  gateway.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })
  gateway.post('/*', (request, reply) => {
    const text = String(request.body)
    received.push({ path: request.url, headers: request.headers as Record<string, string>, text, body: JSON.parse(text) })
    reply.hijack()
    const headers = { 'content-type': 'application/json', [answer.headerName]: `sign_type="HMAC-SHA256", signature="${answer.signature(answer.text)}"` }
    reply.raw.writeHead(answer.status, headers).end(answer.text)
  })
  await gateway.listen({ host: '127.0.0.1', port: 0 })

  const clock = new ManualClock()
  const callbackUrl = `${urlOf(gateway)}/_gate/callback`
  const marketplace = await createMarketplace({
    publicUrl: () => urlOf(marketplace.app),
    gatewayUrl: `${urlOf(gateway)}/_gate/marketplace`,
    callbackUrl,
    applicationUrl: urlOf(gateway),
    appId,
    kitKey: new Secret(kitKey),
    applicationPublicKeyPem: applicationKeyPair().publicKey,
    clock,
  })
  await marketplace.app.listen({ host: '127.0.0.1', port: 0 })
  const stopGateway = async (): Promise<void> => { await gateway.close() }
  t.teardown(async () => {
    await marketplace.app.close()
    await stopGateway()
  })
  return { marketplace, app: marketplace.app, clock, received, answer, url: urlOf(marketplace.app), callbackUrl, stopGateway }
}

export function urlOf (app: FastifyInstance): string {
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}
