import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../directory/model.ts'
import type { Authentication } from '../session/authentication.ts'
import type { AskedRequest } from '../sign-in/turn-away.ts'
import type { Verdict } from './judge-access.ts'

/** The answers to who may not come, made by the pages' room. Each answers by `reply.send`; what it resolves to isn't looked at. */
export interface AnswerVerdict {
  /** @param asked the request that somebody else describes; absent: the request itself */
  turnAway (
    request: FastifyRequest, reply: FastifyReply, authentication: Exclude<Authentication, { kind: 'allow' }>, asked?: AskedRequest,
  ): Promise<unknown>
  /** The same for a route that is for other roles (C-40). */
  refuseRole (request: FastifyRequest, reply: FastifyReply, principal: Principal): Promise<unknown>
  /** The same for a WebSocket that another site's page opens. */
  refuseOrigin (request: FastifyRequest, reply: FastifyReply): Promise<unknown>
}

export async function answerVerdict (
  answers: AnswerVerdict, request: FastifyRequest, reply: FastifyReply, verdict: Exclude<Verdict, { kind: 'pass' }>, asked?: AskedRequest,
): Promise<void> {
  switch (verdict.kind) {
    case 'foreign-origin':
      await answers.refuseOrigin(request, reply)
      break
    case 'role-missing':
      await answers.refuseRole(request, reply, verdict.principal)
      break
    case 'turned-away':
      await answers.turnAway(request, reply, verdict.authentication, asked)
  }
}
