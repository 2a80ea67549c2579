import t from 'tap'
import fastify from 'fastify'
import { createClientAddress } from '../../src/base/client-address.ts'
import { faults } from '../../src/base/coded-errors.ts'
import { describeError } from '../../src/telemetry/describe-error.ts'
import { createLogController, createLogOptions } from '../../src/telemetry/log.ts'
import { createRequestLog } from '../../src/telemetry/request-log.ts'

function collect (level = 'info') {
  const lines: string[] = []
  const stream = { write: (line: string) => { lines.push(line) } }
  const logger = createLogOptions({ level, stream })
  const app = fastify({ logger, logController: createLogController(), childLoggerFactory: createRequestLog(createClientAddress([])) })
  return { app, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') }
}

t.test('C-65: a line is JSON with level name, UTC time and event, and stays one line', async (t) => {
  const { app, last, lines } = collect()
  app.log.info({ event: 'gateway.started', name: 'a\nb' }, 'one\ntwo')
  t.match(last(), { level: 'info', event: 'gateway.started', msg: 'one\ntwo', name: 'a\nb' })
  t.match(last().time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.equal(lines.join('').split('\n').length, 2, 'one line and its end')
})

t.test('T-38: a request is method, path without query, and id', async (t) => {
  const { app, last, lines } = collect()
  app.get('/cb', async (request) => { request.log.info({ req: request }, 'seen') })
  await app.inject({ url: '/cb?code=canary&tenant=canary', headers: { cookie: 'a=canary', authorization: 'Bearer canary' } })
  t.same(Object.keys(last().req).sort(), ['method', 'path', 'requestId'])
  t.equal(last().req.path, '/cb')
  t.equal(last().requestId, last().req.requestId)
  t.notMatch(lines.join(), 'canary')
  t.equal(lines.length, 1, 'Fastify adds no line of its own')
})

t.test('T-38: the address of the plain logout form ends in a secret, which a line hides', async (t) => {
  const { app, last, lines } = collect()
  app.post('/_gate/backchannel-logout/:secret', async (request) => { request.log.info({ req: request }, 'seen') })
  await app.inject({ method: 'POST', url: '/_gate/backchannel-logout/canary-b1946ac9?x=canary' })
  t.equal(last().req.path, '/_gate/backchannel-logout/[hidden]')
  t.equal(last().clientAddress, '127.0.0.1', 'who sent it is said')
  t.notMatch(lines.join(), 'canary')
})

t.test('a request writes at every level under its one id, and its child adds to it', async (t) => {
  const { app, lines } = collect('trace')
  app.get('/', async ({ log }) => {
    t.equal(log.level, 'trace')
    for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const) log[level]({ event: 'x' }, 'said %s', level)
    log.silent('never')
    log.child({ part: 'a' }).info('by the child')
  })
  const seen: unknown[] = []
  app.addHook('onRequest', async ({ id }) => { seen.push(id) })
  await app.inject('/')
  const told = lines.map((line) => JSON.parse(line))
  t.same(told.map(({ level, msg, part }) => [level, msg, part]), [
    ...['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map((level) => [level, `said ${level}`, undefined]),
    ['info', 'by the child', 'a'],
  ])
  t.same([...new Set(told.map(({ requestId }) => requestId))], seen)
})

t.test('T-38: known secret members are hidden wherever a line holds them', async (t) => {
  const { app, lines } = collect()
  app.log.info({ cookie: 'canary', 'set-cookie': 'canary', answer: { access_token: 'canary', clientSecret: 'canary' }, req: { url: '/x', headers: { cookie: 'canary' } } }, 'x')
  t.notMatch(lines.join(), 'canary')
})

t.test('an error shows type, code, stack and its causes', async (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:3000'), { code: 'ECONNREFUSED' })
  const described = describeError(new faults.UpstreamUnreachable({ cause }))
  t.match(described, { code: 'GW_UPSTREAM_UNREACHABLE', statusCode: 502, cause: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 127.0.0.1:3000' } })
  t.match(described.stack, /log\.test/)
  t.match(describeError(new AggregateError([cause, cause, cause, cause], 'all')).errors, { length: 3 })
  t.match(describeError('text'), { type: 'string', message: '' })
})

t.test('T-38: an error shows no body, token or query that a library hung on it', async (t) => {
  const token = `canary${'A1b2'.repeat(10)}`
  const jsonError = await Promise.resolve('canary "x" is a body').then(JSON.parse).catch((error: unknown) => error)
  const errors = [
    Object.assign(new Error('bad'), { body: 'canary', response: { canary: 1 }, input: 'canary', headers: { authorization: 'canary' } }),
    new Error('bad', { cause: { error: 'invalid_grant', error_description: 'canary', access_token: token } }),
    new Error(`GET https://x/cb?code=canary&tenant=1 failed with ${token}`),
    new Error('parse', { cause: jsonError }),
    Object.assign(new Error('bad'), { code: `canary ${token}` }),
  ]
  for (const error of errors) t.notMatch(JSON.stringify(describeError(error)), 'canary')
  t.equal(describeError(errors[1]).cause?.code, 'invalid_grant')
})

t.test('a chain of causes that bites its tail ends', async (t) => {
  const error = new Error('a')
  error.cause = error
  t.ok(JSON.stringify(describeError(error)).length < 20_000)
})
