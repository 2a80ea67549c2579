import { isIP } from 'node:net'
import { isLoopbackHost } from '../../base/loopback-host.ts'
import { describeReply } from '../exchange-reading.ts'
import { failure, notChecked, notReached, sound, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import type { Visit } from '../visit.ts'

/** Where the gateway stands, and whether anybody is there. */
export const addressRules: readonly Rule[] = [
  {
    id: 'address.https',
    group: 'address',
    checks: 'The production address is https.',
    why: 'The marketplace calls https only; over http anybody on the way reads the names of your customers\' employees.',
    advice: 'Put a TLS terminating proxy in front of the gateway, or give its https address by --url.',
    needs: 'nothing',
    examine: async ({ options }) => [ofPublic(options.baseUrl, ({ protocol }) => (protocol === 'https:' ? undefined : `the address begins with ${protocol}//`))],
  },
  {
    id: 'address.name',
    group: 'address',
    checks: 'The host is a public domain name.',
    why: 'The marketplace takes no IP address, and verifies your main domain.',
    advice: 'Give the gateway a name under the domain that you registered in the seller centre.',
    needs: 'nothing',
    examine: async ({ options }) => [ofPublic(options.baseUrl, ({ hostname }) => {
      if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return 'an IP address'
      return hostname.includes('.') ? undefined : 'a name without a domain'
    })],
  },
  {
    id: 'address.port',
    group: 'address',
    checks: 'The port is 443.',
    why: 'The marketplace\'s requirements name port 443 and no other.',
    advice: 'Listen on 443, or let the proxy in front of the gateway do so.',
    needs: 'nothing',
    examine: async ({ options }) => [ofPublic(options.baseUrl, ({ port, protocol }) => (port === '' && protocol === 'https:' ? undefined : `port ${port || '80'}`))],
  },
  {
    id: 'address.path',
    group: 'address',
    checks: 'The address has no query, and the path is that of the gateway.',
    why: 'The marketplace adds /produceAPI/v2/… and the signature behind the production address as it was entered.',
    advice: 'Enter and give the address without "?", "#" and a sub-path such as /produceAPI; `jointgate check` prints it.',
    needs: 'nothing',
    async examine ({ options: { baseUrl } }) {
      const { pathname, search, hash } = new URL(baseUrl)
      const isPlain = search === '' && hash === '' && !/produceAPI/i.test(pathname)
      return [isPlain ? sound(baseUrl) : failure(baseUrl, 'a query, a fragment or a path of the Kit')]
    },
  },
  {
    id: 'address.answers',
    group: 'address',
    checks: 'Somebody answers at the production address.',
    why: '"The address is not reachable" (地址不可达) in the debug console; on sale, five days of it freeze the trade and hide the goods.',
    advice: 'Start the gateway; check the name, the port, the certificate and every firewall on the way. No IP white list is possible: the marketplace\'s addresses are not published.',
    needs: 'gateway',
    examine: knock,
  },
  {
    id: 'address.callback',
    group: 'address',
    checks: 'The login address (应用登录地址) answers a page of the gateway.',
    why: 'The marketplace sends every employee\'s browser there: if another server has that path, nobody can sign in.',
    advice: 'Pass everything under the gateway\'s prefix on to the gateway, not only the production address.',
    needs: 'gateway',
    examine: openCallback,
  },
]

/** On one's own machine plain http is how it is meant. */
function ofPublic (address: string, judge: (url: URL) => string | undefined): Observation {
  const url = new URL(address)
  if (isLocal(url)) return notChecked(address, 'local')
  const complaint = judge(url)
  return complaint === undefined ? sound(address) : failure(address, complaint)
}

export function isLocal ({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && isLoopbackHost(hostname)
}

async function knock (visit: Visit): Promise<Observation[]> {
  const { baseUrl } = visit.options
  const reply = await visit.send({ method: 'POST', url: baseUrl, headers: { 'content-type': 'application/json' }, body: '{}' })
  if (reply.kind === 'answer') {
    visit.meet(reply.answer)
    return [sound(baseUrl)]
  }
  visit.stop(visit.isLate ? 'time.total' : 'address.answers')
  if (visit.isLate) return [notReached(baseUrl, 'time.total')]
  return [failure(baseUrl, `no answer: ${reply.code}`, { sent: `POST ${new URL(baseUrl).pathname}`, answered: describeReply(reply) })]
}

async function openCallback (visit: Visit): Promise<Observation[]> {
  const { callbackUrl } = visit.options
  const { pathname } = new URL(callbackUrl)
  const reply = await visit.send({
    method: 'GET',
    url: callbackUrl,
    headers: { accept: 'text/html', 'accept-language': 'en', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' },
    body: undefined,
  })
  if (reply.kind === 'none' && visit.isLate) return [notReached(callbackUrl, 'time.total')]
  const assets = `${pathname.replace(/\/callback$/, '')}/assets/`
  // Without a code it can only complain; but it does so on a page of ours.
  const isOurs = reply.kind === 'answer' && reply.answer.status === 400 && reply.answer.body.includes(assets)
  if (isOurs) return [sound(callbackUrl)]
  const answered = reply.kind === 'answer' ? `HTTP ${reply.answer.status}, no page of the gateway` : describeReply(reply)
  return [failure(callbackUrl, 'another answer than the gateway\'s own page', { sent: `GET ${pathname}`, answered })]
}
