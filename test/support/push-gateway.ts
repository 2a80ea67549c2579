import { createPrivateKey, createPublicKey } from 'node:crypto'
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { Secret } from '../../src/base/secret.ts'
import type { AppId } from '../../src/directory/model.ts'
import { pushRoutes, type PushRoutesOptions } from '../../src/push/routes.ts'
import { bodySign } from '../../src/push/signature/body-sign.ts'
import { signKitV2 } from '../../src/push/signature/kit-v2.ts'
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
export const pushPath = '/_gate/marketplace/produceAPI/v2'

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
}

export interface PushReply { response: LightMyRequestResponse, resultCode: string, resultMsg: string }

/** A server with nothing but the push routes, over an in-memory directory and a clock that stands at the fixtures' time. */
export async function buildPushGateway (t: Test, options: Partial<PushRoutesOptions> = {}): Promise<PushGateway> {
  const clock = new ManualClock(1735689601500)
  const directory = new MemoryDirectory()
  const log: Record<string, unknown>[] = []
  const write = (line: string): void => { log.push(JSON.parse(line) as Record<string, unknown>) }
  const app = Fastify({ logger: { level: 'info', stream: { write } }, logController: createLogController() })
  await app.register(pushRoutes, {
    prefix: '/_gate/marketplace',
    directory,
    clock,
    kitKeys: [new Secret(kitKey)],
    privateKeys: [new Secret(rsaPrivatePem)],
    appIds: [appId],
    tenantDomains: [],
    dangerouslyAllowHttp: false,
    ...options,
  })
  t.teardown(() => app.close())

  let count = 0
  const send: PushGateway['send'] = async (name, body, headers) => {
    const response = await app.inject({ method: 'POST', url: `${pushPath}/${name}`, headers, payload: body })
    return { response, ...readAnswer(t, response) }
  }
  const push: PushGateway['push'] = async (name, body, { headers = {}, key = kitKey } = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const nonce = `nonceofatestcall${String(++count).padStart(8, '0')}`
    return send(name, text, { 'content-type': 'application/json', ...signKitV2(key, text, nonce, clock.now()), ...headers })
  }
  return { app, clock, directory, log, push, send }
}

/** What holds for every answer, good or bad (sync.md §0.4, §3.6). */
function readAnswer (t: Test, response: LightMyRequestResponse): { resultCode: string, resultMsg: string } {
  const answer = response.json<{ resultCode: string, resultMsg: string }>()
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
