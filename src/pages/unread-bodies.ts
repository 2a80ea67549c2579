import { setImmediate } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { closeGentlyAfter } from '../base/close-gently.ts'

/** A form comes in one piece. */
const formMs = 10_000

/** For our own forms: who sends one byte now and then is not waited for. */
export async function endFormsInTime ({ raw }: FastifyRequest): Promise<void> {
  const timer = setTimeout(() => { if (!raw.complete) raw.destroy() }, formMs).unref()
  raw.once('close', () => { clearTimeout(timer) })
}

/** What is answered before its body was here ends the connection: node would read on for as long as the client likes. */
export async function leaveUnreadBodies ({ raw }: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (raw.complete || raw.httpVersionMajor !== 1) return
  const { 'content-length': length = '0', 'transfer-encoding': coding } = raw.headers
  if (length === '0' && coding === undefined) return
  // What came in one piece with its head node counts as whole in the next turn.
  await setImmediate()
  if (raw.complete) return
  reply.header('connection', 'close')
  closeGentlyAfter(raw)
}
