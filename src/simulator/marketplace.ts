import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { isSameOrigin } from '../base/request-kind.ts'
import { readView } from '../pages/read-view.ts'
import { registerAuthorizationServers } from './authorization-server-routes.ts'
import { createBuyer, type Buyer } from './buyer.ts'
import { BuyerMistake } from './buyer-mistake.ts'
import { registerBuyerConsole } from './console-routes.ts'
import { createDeliveries } from './deliveries.ts'
import { createFaultDesk, type FaultDesk } from './fault-desk.ts'
import { createInstanceBuyer } from './instance-buyer.ts'
import { resolveUrl, type MarketplaceOptions } from './marketplace-options.ts'
import { createMarketplaceState, type MarketplaceState } from './marketplace-state.ts'
import { registerOrderQuery } from './order-query-routes.ts'
import { createPushSender } from './push-sender.ts'
import { createTimerScheduler } from './scheduler.ts'
import { checkPassword, signOnMessages } from './sign-on.ts'
import { callbackFor, registerUnifiedLogin } from './unified-login-routes.ts'
import { createViews } from './views.ts'

/** A marketplace on your desk: what a buyer does by hand, its programme does by methods. */
export interface Marketplace extends Buyer, FaultDesk {
  /** Not yet listening; closing it closes everything. */
  readonly app: FastifyInstance
  readonly state: MarketplaceState
  /**
   * What the unified login page does with `account@enterprise` and a password: the callback URL to which it sends the browser.
   * @throws BuyerMistake where the page shows a message
   */
  login (account: string, password: string): string
}

/** Honest, until a fault switch is on. Its state is in memory and ends with it. */
export async function createMarketplace (options: MarketplaceOptions): Promise<Marketplace> {
  const { scheduler = createTimerScheduler(), generation = 'v2', clock } = options
  const state = createMarketplaceState(generation)
  const views = createViews()
  const sender = createPushSender({ state, options, scheduler })
  const deliveries = createDeliveries({ state, sender, scheduler, clock })
  const instances = createInstanceBuyer({ state, options, deliveries })
  const buyer = createBuyer({ state, sender, options, instances })
  const faultDesk = createFaultDesk(state, sender)

  const app = Fastify({ forceCloseConnections: true })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(pageHeaders)
    if (isForeignForm(request, resolveUrl(options.publicUrl))) {
      return reply.code(403).type('text/plain; charset=utf-8').send('This form was sent from another site.')
    }
  })
  app.addHook('onClose', async () => {
    scheduler.close()
    await sender.close()
  })
  await app.register(cookie)
  await app.register(formbody)
  const styleSheet = readView('simulator/simulator.css')
  app.get('/simulator.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(styleSheet))
  registerBuyerConsole(app, { state, options, views, buyer, faultDesk })
  registerUnifiedLogin(app, { state, options, views })
  registerAuthorizationServers(app, { state, options, views, scheduler })
  registerOrderQuery(app, state, options)

  return {
    ...buyer,
    ...faultDesk,
    app,
    state,
    login (account, password) {
      const signOn = checkPassword(state, account, password)
      if (signOn.kind === 'refused') throw new BuyerMistake(signOnMessages[signOn.reason])
      return callbackFor(state, options, signOn.enterprise, signOn.member)
    },
  }
}

const pageHeaders = {
  // Without `form-action`: the sign-on form's answer leads to the callback, on another origin, and Chromium applies it there too.
  'content-security-policy': [
    "default-src 'none'", "style-src 'self'", "script-src 'self'", "connect-src 'self'", 'img-src data:', "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
}

/** Any page that the person has open could post to loopback. Whatever names no origin at all is no browser: the gateway, a test. */
function isForeignForm ({ method, headers }: FastifyRequest, publicUrl: string): boolean {
  const isBrowser = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
  return method === 'POST' && isBrowser && !isSameOrigin(headers, new URL(publicUrl))
}
