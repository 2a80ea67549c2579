import type { FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Secret } from '../base/secret.ts'
import { discardBody } from './discard-body.ts'
import { kitInterfaces } from './kit/kit-interfaces.ts'
import { resultOf, type PushOutcome, type PushReport } from './push-report.ts'
import { createReceivePush, type ReceivePushOptions } from './receive-push.ts'
import { bodySign, bodySignHeader } from './signature/body-sign.ts'
import { readKitV2Stamp } from './signature/kit-v2.ts'

export type PushRoutesOptions = ReceivePushOptions

/** 5000 users take 1.3 MB; sync.md §6, row 13. */
const bodyLimit = 16 * 1024 * 1024

/**
 * The marketplace's calls below the production address. Everything in this scope is answered in its protocol: HTTP 200, a result
 * code, signed (sync.md §0.4: any other status is a failure whatever the body says).
 */
export const pushRoutes: FastifyPluginAsync<PushRoutesOptions> = async (scope, options) => {
  const receivePush = createReceivePush(options)
  const answer = createAnswer(options.kitKeys)

  // The bytes as they came are what is signed, whatever their label says (T-22).
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => body)

  scope.addHook('onRequest', async (request) => {
    // A malformed label would be refused by the server before anybody could look at the signature.
    request.raw.headers['content-type'] = 'application/octet-stream'
  })
  const checkStamp = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const reading = readKitV2Stamp(request.headers, options.clock.now())
    return reading.kind === 'refused' ? answer(request, reply, { outcome: reading.because }) : undefined
  }

  for (const kit of kitInterfaces) {
    scope.post(`/produceAPI/v2/${kit.name}`, { bodyLimit, onRequest: checkStamp }, async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      return answer(request, reply, await receivePush({ kit, headers: request.headers, body }))
    })
  }

  // As routes and before the body is read: the forwarder's catch-all would take what only a not-found handler waits for.
  for (const url of ['/', '/*']) {
    const refuse = async (request: FastifyRequest, reply: FastifyReply) => answer(request, reply, { outcome: 'interface-unknown' })
    scope.all(url, { onRequest: refuse }, refuse)
  }
  scope.setErrorHandler(async (error: FastifyError, request, reply) => answer(request, reply, { outcome: outcomeOf(error), cause: error }))
}

function outcomeOf (error: FastifyError): PushOutcome {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'body-too-large'
  return error.statusCode !== undefined && error.statusCode < 500 ? 'body-broken' : 'failed'
}

function createAnswer (keys: readonly Secret[]) {
  return async (request: FastifyRequest, reply: FastifyReply, report: PushReport): Promise<FastifyReply> => {
    const result = resultOf(report)
    const body = Buffer.from(JSON.stringify(result))
    const key = keys[report.keyIndex ?? 0]
    // On the raw response: Fastify would write the name in lower case, which the marketplace doesn't know (sync.md §3.6).
    if (key !== undefined) reply.raw.setHeader(bodySignHeader, bodySign(key.reveal(), body))
    if (!await discardBody(request.raw)) reply.header('connection', 'close')
    log(request, report, result.resultCode)
    // Bytes, not text: to text of this type Fastify adds a charset, and the marketplace asks for exactly this type.
    return reply.code(200).header('content-type', 'application/json').send(body)
  }
}

function log (request: FastifyRequest, { cause, ...report }: PushReport, resultCode: string): void {
  const line = { event: 'push.received', interface: interfaceOf(request), ...report, resultCode }
  if (report.outcome === 'failed') request.log.error({ ...line, err: cause }, 'a push could not be stored')
  else request.log.info(line, `push answered: ${report.outcome}`)
}

/** The name of a route of ours, never the client's text. */
function interfaceOf ({ routeOptions: { url = '' } }: FastifyRequest): string {
  const name = url.split('/').at(-1)
  return kitInterfaces.find((kit) => kit.name === name)?.name ?? 'unknown'
}
