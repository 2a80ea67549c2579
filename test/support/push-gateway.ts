import { createPrivateKey, createPublicKey } from 'node:crypto'
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { AppId } from '../../src/directory/model.ts'
import type { PushKeys } from '../../src/push/push-keys.ts'
import { pushRoutes, type PushRoutesOptions } from '../../src/push/routes.ts'
import { bodySign } from '../../src/push/signature/body-sign.ts'
import { signAuthTokenGet } from '../../src/push/signature/auth-token.ts'
import { signBaseV2 } from '../../src/push/signature/base-v2.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
import { formatWireTime } from '../../src/push/signature/wire-time.ts'
import { createLogController } from '../../src/telemetry/log.ts'
import { readFixture } from './fixture.ts'
import { ManualClock } from './manual-clock.ts'
import { MemoryDirectory } from './memory-directory.ts'

const rsa = readFixture('application-secret-rsa-oaep')
export const rsaPrivateKey = createPrivateKey({ key: Buffer.from(rsa.privateKeyPkcs8Base64, 'base64'), format: 'der', type: 'pkcs8' })
export const rsaPublicKey = createPublicKey(rsaPrivateKey)
const rsaPrivatePem = rsaPrivateKey.export({ format: 'pem', type: 'pkcs8' }) as string

export const kitKey = 'kit-test-access-key-0001-not-a-real-key'
export const appId = '0bd452b0-58af-4b98-9bda-6bf59da68d57' as AppId
export const productionKey = 'base-test-access-key-0001-not-a-real-key'
/** Of the V1 fixtures, of both families. */
export const v1Key = 'v1-test-key-0001-not-a-real-key'
export const productionPath = '/_gate/marketplace'
export const pushPath = `${productionPath}/produceAPI/v2`
export const frontEndUrl = 'https://app.example.com'

export interface PushGateway {
  readonly app: FastifyInstance
  readonly clock: ManualClock
  readonly directory: MemoryDirectory
  /** The log lines of `push.received`, parsed. */
  readonly log: Record<string, unknown>[]
  /** Signs a body as the marketplace does, with a nonce of its own, and sends it. */
  readonly push: (name: string, body: object | string, changes?: { headers?: Record<string, string>, key?: string }) => Promise<PushReply>
  /** Sends what it is given. */
  readonly send: (name: string, body: string | Buffer, headers: Record<string, string>) => Promise<PushReply>
  /** Any request at all, whose answer must be one of the protocol. */
  readonly inject: (request: InjectOptions) => Promise<PushReply>
  /** Signs a call to a base interface as the marketplace does and sends it: V2's body or V1's parameters. */
  readonly callV2: (body: object, changes?: { key?: string, nonce?: string }) => Promise<PushReply>
  readonly callV1: (parameters: Record<string, string>, changes?: { key?: string }) => Promise<PushReply>
}

/** `directory` and `clock` of another gateway: what a restart finds. */
export type PushGatewayOptions = Partial<Omit<PushRoutesOptions, 'directory' | 'clock'> & PushKeys & Pick<PushGateway, 'directory' | 'clock'>>

export interface PushReply {
  response: LightMyRequestResponse
  resultCode: string
  resultMsg: string
  instanceId?: string
  info?: Record<string, unknown>[]
}

/** A server with nothing but the push routes, over an in-memory directory and a clock that stands at the fixtures' time. */
export async function buildPushGateway (t: Test, options: PushGatewayOptions = {}): Promise<PushGateway> {
  const { clock = new ManualClock(1735689601500), directory = new MemoryDirectory() } = options
  const log: Record<string, unknown>[] = []
  const write = (line: string): void => { log.push(JSON.parse(line) as Record<string, unknown>) }
  const app = Fastify({ logger: { level: 'info', stream: { write } }, logController: createLogController() })
  const {
    kitKeys = [new Secret(kitKey), new Secret(v1Key)], productionKeys = [new Secret(productionKey), new Secret(v1Key)],
    privateKeys = [new Secret(rsaPrivatePem)], ...others
  } = options
  await app.register(pushRoutes, {
    prefix: productionPath,
    directory,
    pushLog: { append: async (record) => { directory.records.push(record) } },
    clock,
    keys: { current: () => ({ kitKeys, productionKeys, privateKeys }) },
    frontEndUrl,
    appIds: [appId],
    tenantDomains: [],
    dangerouslyAllowHttp: false,
    ...others,
  })
  t.teardown(() => app.close())

  let count = 0
  const inject: PushGateway['inject'] = async (request) => {
    const response = await app.inject(request)
    return { response, ...readAnswer(t, response) }
  }
  const send: PushGateway['send'] = async (name, body, headers) =>
    inject({ method: 'POST', url: `${pushPath}/${name}`, headers, payload: body })
  const push: PushGateway['push'] = async (name, body, { headers = {}, key = kitKey } = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const nonce = `nonceofatestcall${String(++count).padStart(8, '0')}`
    return send(name, text, { 'content-type': 'application/json', ...signKitV2(key, text, nonce, clock.now()), ...headers })
  }
  const callV2: PushGateway['callV2'] = async (body, { key = productionKey, nonce = `nonceofatestcall${String(++count).padStart(8, '0')}` } = {}) => {
    const payload = JSON.stringify(body)
    const query = new URLSearchParams({ ...signBaseV2(key, payload, nonce, clock.now()) }).toString()
    return inject({ method: 'POST', url: `${productionPath}?${query}`, headers: { 'content-type': 'application/json;charset=utf8' }, payload })
  }
  const callV1: PushGateway['callV1'] = async (parameters, { key = v1Key } = {}) => {
    const timeStamp = formatWireTime(clock.now(), 'utc')
    return inject({ method: 'GET', url: `${productionPath}?${signAuthTokenGet(key, { timeStamp, ...parameters })}` })
  }
  return { app, clock, directory, log, push, send, inject, callV2, callV1 }
}

/** What holds for every answer, good or bad (sync.md §0.4, §3.6). */
function readAnswer (t: Test, response: LightMyRequestResponse): Omit<PushReply, 'response'> {
  const answer = response.json<Omit<PushReply, 'response'>>()
  const isSound = response.statusCode === 200 && response.headers['content-type'] === 'application/json' &&
    response.headers['content-length'] === String(response.rawPayload.length) && response.headers['content-encoding'] === undefined &&
    /^\d{6}$/.test(answer.resultCode) && answer.resultMsg.length > 0 && answer.resultMsg.length <= 255 &&
    String(response.headers['body-sign']).startsWith('sign_type="HMAC-SHA256", signature="')
  if (!isSound) t.fail(`not an answer of the protocol: ${response.statusCode} ${JSON.stringify(response.headers)} ${response.payload}`)
  return answer
}

export function isSignedWith (response: LightMyRequestResponse, key: string): boolean {
  return response.headers['body-sign'] === bodySign(key, response.rawPayload)
}
