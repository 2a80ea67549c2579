import fastify, { type FastifyInstance } from 'fastify'
import { createLogController, type LogOptions } from './log.ts'

export interface OperatorServices {
  readonly logger: LogOptions
  /** Rejects if the store can't be written. */
  readonly checkStorage: () => Promise<void>
}

/** The operator listener: its own port, kept away from the public. */
export function buildOperatorApp ({ logger, checkStorage }: OperatorServices): FastifyInstance {
  const app = fastify({ logger, logController: createLogController(), requestIdHeader: false })
  // The process runs and answers: restart it if this fails.
  app.get('/healthz/live', async () => ({ status: 'live' }))
  // It can do its work: send it traffic if this succeeds.
  app.get('/healthz/ready', async (request, reply) => {
    try {
      await checkStorage()
      return { status: 'ready' }
    } catch (error) {
      request.log.error({ event: 'storage.unavailable', err: error }, 'not ready')
      return reply.code(503).send({ status: 'not ready', code: 'GW_STORAGE_UNAVAILABLE' })
    }
  })
  return app
}
