import type { Readable } from 'node:stream'
import type { FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Secret } from '../base/secret.ts'
import { BodyBudget, NoRoomForBody } from './body-budget.ts'
import { discardBody } from './discard-body.ts'
import type { FailedCalls } from './failed-calls.ts'
import { kitInterfaces } from './kit/kit-interfaces.ts'
import { firstKeyOf } from './push-keys.ts'
import { answerOf, type PushOutcome, type PushReport, type SignatureScheme } from './push-report.ts'
import { createReceivePush, type ReceivedPush, type ReceivePushOptions } from './receive-push.ts'
import { bodySign, bodySignHeader } from './signature/body-sign.ts'
import { generationOf, judgeStampOf, keyKindOf, type PushCall } from './verify-call.ts'

export interface PushRoutesOptions extends ReceivePushOptions {
  /** How long a body may take to arrive; 30 s if absent. */
  readonly bodyPatienceMilliseconds?: number
  /** How much of all bodies may be in memory at once; 64 MiB if absent. */
  readonly bodyBudgetBytes?: number
  /** Keeps clients apart that send calls without a good signature; nobody is kept apart if absent. */
  readonly failedCalls?: FailedCalls
}

/** The marketplace itself gives up after 20 s at most (sync.md §0.4). */
const usualBodyPatienceMilliseconds = 30_000

/** Four of the largest bodies at once, or fifty of 5000 users. */
const bodyBudgetBytes = 64 * 1024 * 1024
/** 5000 users take 1.3 MB; sync.md §6, row 13. */
const kitBodyLimit = 16 * 1024 * 1024
/** The longest documented body has seven kilobytes. */
const baseBodyLimit = 1024 * 1024

/**
 * The marketplace's calls at and below the production address. Everything in this scope is answered in its protocol: HTTP 200, a
 * result code, signed (sync.md §0.4: any other status is a failure whatever the body says).
 */
export const pushRoutes: FastifyPluginAsync<PushRoutesOptions> = async (scope, options) => {
  const receivePush = createReceivePush(options)
  const budget = new BodyBudget(options.bodyBudgetBytes ?? bodyBudgetBytes)
  const { failedCalls = { note: () => {}, pass: (_request, _bytes, verify) => verify() } } = options

  // The bytes as they came are what is signed, whatever their label says (T-22).
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => body)

  scope.addHook('onRequest', async (request) => {
    // A malformed label would be refused by the server before anybody could look at the signature.
    request.raw.headers['content-type'] = 'application/octet-stream'
  })

  const conclude = async (request: FastifyRequest, reply: FastifyReply, received: ReceivedPush): Promise<FastifyReply> => {
    const { keyIndex, outcome } = received.report
    if (keyIndex === undefined && outcome !== 'body-no-room') failedCalls.note(request.raw)
    return answer(request, reply, received)
  }

  /** What was decided without looking at the signature is signed with the first key of the kind. */
  const refuse = async (request: FastifyRequest, reply: FastifyReply, scheme: SignatureScheme, refusal: Pick<PushReport, 'outcome' | 'cause'>) =>
    conclude(request, reply, {
      report: { scheme, interface: kitNameOf(request), ...refusal },
      signingKey: firstKeyOf(keyKindOf(scheme), options.keys.current()),
    })

  const serve = (scheme: SignatureScheme, toCall: (request: FastifyRequest) => PushCall) => ({
    bodyLimit: keyKindOf(scheme) === 'kit' ? kitBodyLimit : baseBodyLimit,
    onRequest: async (request: FastifyRequest, reply: FastifyReply) => {
      endSlowBody(request, reply, options.bodyPatienceMilliseconds ?? usualBodyPatienceMilliseconds)
      const because = judgeStampOf(scheme, { headers: request.headers, query: rawQueryOf(request) }, options.clock.now())
      return because === undefined ? undefined : refuse(request, reply, scheme, { outcome: because })
    },
    preParsing: async (_request: FastifyRequest, reply: FastifyReply, payload: Readable) => budget.guard(payload, reply.raw),
    errorHandler: async (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      refuse(request, reply, scheme, { outcome: outcomeOf(error), cause: error }),
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      const received = await failedCalls.pass(request.raw, bodyOf(request).length, () => receivePush(toCall(request), (what, err) => {
        request.log.error({ event: 'push.background-fault', what, err }, 'something beside an answered push failed')
      }))
      return received === undefined ? refuse(request, reply, scheme, { outcome: 'body-no-room' }) : conclude(request, reply, received)
    },
  })

  for (const kit of kitInterfaces) {
    const kitCall = (scheme: 'kit-v1' | 'kit-v2') => (request: FastifyRequest) => ({ scheme, kit, headers: request.headers, body: bodyOf(request) })
    scope.post(`/produceAPI/v2/${kit.name}`, serve('kit-v2', kitCall('kit-v2')))
    scope.post(`/produceAPI/${kit.name}`, serve('kit-v1', kitCall('kit-v1')))
  }
  scope.post('/', serve('base-v2', (request) => ({ scheme: 'base-v2', query: rawQueryOf(request), body: bodyOf(request) })))
  scope.get('/', { exposeHeadRoute: false, ...serve('base-v1', (request) => ({ scheme: 'base-v1', query: rawQueryOf(request) })) })

  // As routes and before the body is read: the forwarder's catch-all would take what only a not-found handler waits for.
  const unknown = (scheme: SignatureScheme) => {
    const handler = async (request: FastifyRequest, reply: FastifyReply) => refuse(request, reply, scheme, { outcome: 'interface-unknown' })
    return { onRequest: handler, handler }
  }
  const otherMethods = scope.supportedMethods.filter((method) => method !== 'GET' && method !== 'POST')
  scope.route({ method: otherMethods, url: '/', ...unknown('base-v2') })
  scope.all('/*', unknown('kit-v2'))
  scope.setErrorHandler(async (error: FastifyError, request, reply) => refuse(request, reply, 'kit-v2', { outcome: outcomeOf(error), cause: error }))
}

/** Nothing has shown yet that a body is the marketplace's: one that dribbles in could hold up to 16 MiB for as long as it likes (T-25). */
function endSlowBody ({ raw }: FastifyRequest, reply: FastifyReply, patienceMilliseconds: number): void {
  const timer = setTimeout(() => { if (!raw.complete) raw.socket.destroy() }, patienceMilliseconds).unref()
  reply.raw.once('close', () => { clearTimeout(timer) })
}

function outcomeOf (error: FastifyError): PushOutcome {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'body-too-large'
  if (error instanceof NoRoomForBody) return 'body-no-room'
  return error.statusCode !== undefined && error.statusCode < 500 ? 'body-broken' : 'failed'
}

function bodyOf ({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** What the signature covers: a parsed query has lost it (sync.md §3.1). */
function rawQueryOf ({ raw: { url = '' } }: FastifyRequest): string {
  const start = url.indexOf('?')
  return start === -1 ? '' : url.slice(start + 1)
}

/** The name of a route of ours, never the client's text. */
function kitNameOf ({ routeOptions: { url = '' } }: FastifyRequest): string {
  const name = url.split('/').at(-1)
  return kitInterfaces.find((kit) => kit.name === name)?.name ?? 'unknown'
}

async function answer (request: FastifyRequest, reply: FastifyReply, { report, signingKey }: ReceivedPush): Promise<FastifyReply> {
  const body = Buffer.from(answerOf(report))
  sign(reply, signingKey, body)
  if (!await discardBody(request.raw)) reply.header('connection', 'close')
  log(request, report, body)
  // Bytes, not text: to text of this type Fastify adds a charset, and the marketplace asks for exactly this type.
  return reply.code(200).header('content-type', 'application/json').send(body)
}

/** On the raw response: Fastify would write the name in lower case, which the marketplace doesn't know (sync.md §3.6). */
function sign (reply: FastifyReply, key: Secret | undefined, body: Buffer): void {
  if (key !== undefined) reply.raw.setHeader(bodySignHeader, bodySign(key.reveal(), body))
}

function log (request: FastifyRequest, { cause, scheme, details, storedAnswer, ...report }: PushReport, body: Buffer): void {
  const { resultCode } = JSON.parse(body.toString()) as { resultCode: string }
  const line = { event: 'push.received', family: keyKindOf(scheme), generation: generationOf(scheme), ...report, resultCode }
  if (report.outcome === 'failed') request.log.error({ ...line, err: cause }, 'a push could not be stored')
  else request.log.info(line, `push answered: ${report.outcome}`)
}
