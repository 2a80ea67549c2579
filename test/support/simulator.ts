import { createHmac, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { createMarketplace, type Marketplace } from '../../src/simulator/marketplace.ts'
import type { MarketplaceOptions } from '../../src/simulator/marketplace-options.ts'
import { ManualClock } from './manual-clock.ts'
import { ManualScheduler } from './manual-scheduler.ts'

export const appId = '0bd452b0-58af-4b98-9bda-6bf59da68d57'
export const kitKeys = ['kit-test-access-key-0001-not-a-real-key', 'kit-test-access-key-0002-not-a-real-key'] as const
export const productionKeys = ['base-test-access-key-0001-not-a-real-key', 'base-test-access-key-0002-not-a-real-key'] as const
const [kitKey] = kitKeys
export const orderQueryCredentials = { accessKeyId: 'AKTEST0001', secretAccessKey: new Secret('sk-test-0001-not-a-real-key') }

const secrets = ([first, second]: readonly [string, string]): [Secret, Secret] => [new Secret(first), new Secret(second)]

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
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Record<string, string>
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- read member by member, each compared with what is expected
  readonly body: Record<string, any>
}

/** What the gateway's place answers with; tests change it. */
export interface AnswerSettings {
  status: number
  text: string
  /** Answers some calls otherwise: the text for a call, or `undefined` for the usual one. */
  choose: (push: ReceivedPush) => string | undefined | Promise<string | undefined>
  headerName: string
  signature: (text: string, key?: string) => string
}

export const base64Hmac = (text: string, key: string = kitKey): string => createHmac('sha256', key).update(text).digest('base64')

const hexHmac = (key: string, text: string): string => createHmac('sha256', key).update(text).digest('hex').toUpperCase()

function sorted (members: ReceivedPush['body']): ReceivedPush['body'] {
  return Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** x-sign recomputed without the project's code; enough for bodies of texts and small integers. */
export function expectedSign ({ headers, body }: ReceivedPush, key: string = kitKey): string {
  return hexHmac(key, key + headers['x-nonce'] + headers['x-timestamp'] + JSON.stringify(sorted(body)))
}

/** Which of the keys signed a call of any kind, recomputed without the project's code; `undefined` if none did. */
export function signingKey (push: ReceivedPush): string | undefined {
  const { path, method, query, headers, body } = push
  if (path.includes('/produceAPI/v2/')) return kitKeys.find((key) => headers['x-sign'] === expectedSign(push, key))
  if (path.includes('/produceAPI/')) return kitKeys.find((key) => headers['authtoken'] === authToken(key, body))
  if (method === 'GET') {
    const { authToken: token, ...parameters } = query
    return productionKeys.find((key) => token === authToken(key, parameters))
  }
  return productionKeys.find((key) => {
    const encrypted = hexHmac(key, JSON.stringify(sorted(body))).toLowerCase()
    return query['signature'] === hexHmac(key, `${key}${query['nonce']}${query['timestamp']}${encrypted}`)
  })
}

function authToken (key: string, members: ReceivedPush['body']): string {
  const text = Object.entries(sorted(members)).filter(([, value]) => value !== '').map(([name, value]) => `${name}=${value}`).join('&')
  return base64Hmac(text, `${key}${members['timeStamp']}`)
}

interface SimulatorRig {
  readonly marketplace: Marketplace
  readonly app: FastifyInstance
  readonly clock: ManualClock
  readonly scheduler: ManualScheduler
  readonly received: ReceivedPush[]
  readonly answer: AnswerSettings
  readonly url: string
  readonly callbackUrl: string
  readonly stopGateway: () => Promise<void>
}

/** A listening marketplace whose pushes go to a recorder in the gateway's place. */
export async function buildSimulator (t: Test, options: Partial<MarketplaceOptions> = {}): Promise<SimulatorRig> {
  const received: ReceivedPush[] = []
  const answer: AnswerSettings = {
    status: 200, text: '{"resultCode":"000000","resultMsg":"success."}', choose: () => undefined, headerName: 'Body-Sign', signature: base64Hmac,
  }
  const gateway = Fastify({ forceCloseConnections: true })
  gateway.removeAllContentTypeParsers()
  gateway.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })
  const receive = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const text = typeof request.body === 'string' ? request.body : ''
    const query = request.query as Record<string, string>
    const [path = ''] = request.url.split('?')
    const headers = request.headers as Record<string, string>
    const push = { method: request.method, path, query, headers, text, body: text === '' ? {} : JSON.parse(text) }
    received.push(push)
    reply.hijack()
    const said = await answer.choose(push) ?? whenMade(push) ?? answer.text
    const signature = answer.signature(said, signingKey(push))
    const answered = { 'content-type': 'application/json', [answer.headerName]: `sign_type="HMAC-SHA256", signature="${signature}"` }
    reply.raw.writeHead(answer.status, answered).end(said)
  }
  gateway.route({ method: ['GET', 'POST'], url: '/*', handler: receive })
  await gateway.listen({ host: '127.0.0.1', port: 0 })

  const clock = new ManualClock()
  const scheduler = new ManualScheduler(clock)
  const callbackUrl = `${urlOf(gateway)}/_gate/callback`
  const marketplace = await createMarketplace({
    publicUrl: () => urlOf(marketplace.app),
    gatewayUrl: `${urlOf(gateway)}/_gate/marketplace`,
    callbackUrl,
    applicationUrl: urlOf(gateway),
    appId,
    kitKeys: secrets(kitKeys),
    productionKeys: secrets(productionKeys),
    orderQueryCredentials,
    applicationPublicKeyPem: applicationKeyPair().publicKey,
    clock,
    scheduler,
    ...options,
  })
  await marketplace.app.listen({ host: '127.0.0.1', port: 0 })
  const stopGateway = async (): Promise<void> => { await gateway.close() }
  t.teardown(async () => {
    await marketplace.app.close()
    await stopGateway()
  })
  return { marketplace, app: marketplace.app, clock, scheduler, received, answer, url: urlOf(marketplace.app), callbackUrl, stopGateway }
}

/** What an application must say of instances: one for each order, the id made of it. */
function whenMade ({ body, query }: ReceivedPush): string | undefined {
  const { activity, orderId, instanceId } = { ...query, ...body } as Record<string, string>
  const appInfo = { frontEndUrl: 'https://app.example.com' }
  const result = { resultCode: '000000', resultMsg: 'success.' }
  if (activity === 'newInstance') return JSON.stringify({ ...result, instanceId: instanceOf(orderId), appInfo })
  if (activity === 'queryInstance') return JSON.stringify({ ...result, info: [{ instanceId, appInfo }] })
  return undefined
}

export const instanceOf = (orderId: string | undefined): string => `instance-${orderId}`

export function urlOf (app: FastifyInstance): string {
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}
