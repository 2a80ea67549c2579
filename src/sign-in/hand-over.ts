import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { chooseLocation } from '../pages/sign-in-location.ts'
import { cookieAttributes, cookieNames } from '../session/cookies.ts'
import type { SessionId } from '../session/session.ts'
import { isLoop, nextRound, readRounds, roundsLifetimeSeconds } from './loop-guard.ts'
import { confirmationLifetimeSeconds } from './pending-login.ts'
import { flowLifetimeSeconds, type StartedLogin } from './start-login.ts'

/** 303 to an address that a browser may keep, without telling there where it comes from (C-8). */
export function seeOther (reply: FastifyReply, location: string): FastifyReply {
  return reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).redirect(location, 303)
}

/** Sends the browser off to sign in, tied to its flow by a cookie. */
export function sendToLogin (reply: FastifyReply, started: StartedLogin): FastifyReply {
  for (const name of started.spentCookies) reply.clearCookie(name, cookieAttributes)
  reply.setCookie(started.cookie.name, started.cookie.value, { ...cookieAttributes, maxAge: flowLifetimeSeconds })
  return seeOther(reply, started.location)
}

/** Sends the browser to the page on which a purchase is chosen. */
export function sendToChoice (reply: FastifyReply, ownPrefix: string, secret: string): FastifyReply {
  reply.setCookie(cookieNames.choice, secret, { ...cookieAttributes, maxAge: confirmationLifetimeSeconds })
  return seeOther(reply, chooseLocation(ownPrefix))
}

/** Hands over the session and cleans the address bar of the code (C-8). */
export function welcome (reply: FastifyReply, sessionId: SessionId, returnTo: string): FastifyReply {
  return seeOther(reply.setCookie(cookieNames.session, sessionId, cookieAttributes), returnTo)
}

export function isLooping (request: FastifyRequest, clock: Clock): boolean {
  return isLoop(readRounds(request.cookies[cookieNames.starts], clock.now()))
}

/** Remembers in the browser that one more round has come through, or was started anew. */
export function countRound (request: FastifyRequest, reply: FastifyReply, clock: Clock): void {
  const rounds = nextRound(readRounds(request.cookies[cookieNames.starts], clock.now()))
  reply.setCookie(cookieNames.starts, rounds, { ...cookieAttributes, maxAge: roundsLifetimeSeconds })
}
