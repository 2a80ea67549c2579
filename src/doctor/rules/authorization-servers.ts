import { isInnerAddress } from '../../base/inner-address.ts'
import { parseDomainName } from '../../push/kit/domain-name.ts'
import { codeIn } from '../line.ts'
import { failure, notChecked, notReached, sound, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import { lookAtTls } from '../tls-probe.ts'
import type { Visit } from '../visit.ts'

/** The names of tenants' authorization servers that were given (--domain). */
export const authorizationServerRules: readonly Rule[] = [
  {
    id: 'authorization-servers.allowed',
    group: 'authorization servers',
    checks: 'tenantSync with this domain would be taken.',
    why: 'A domainName that is refused (000002) leaves the tenant unbound: nobody of that enterprise can sign in.',
    advice: 'Add its suffix to JOINTGATE_MARKETPLACE_TENANT_DOMAINS; a name must be public and https.',
    needs: 'nothing',
    examine: (visit) => onEach(visit, async (domain) => (addressOf(visit, domain) === undefined ? 'not one of JOINTGATE_MARKETPLACE_TENANT_DOMAINS, or no public https name' : '')),
  },
  {
    id: 'authorization-servers.resolves',
    group: 'authorization servers',
    checks: 'The domain leads to a public address.',
    why: 'The gateway sends client id and secret there at each login, and to no inner address.',
    advice: 'Check the name, and the DNS of the machine on which the gateway runs.',
    needs: 'nothing',
    examine: (visit) => onAllowed(visit, async (address) => resolve(visit, new URL(address))),
  },
  {
    id: 'authorization-servers.tls',
    group: 'authorization servers',
    checks: 'The domain speaks TLS 1.2 or newer with a trusted certificate.',
    why: 'The gateway gives its client secret to nobody whose certificate it cannot check, so every login would fail.',
    advice: 'Look at the certificate from the machine on which the gateway runs; a proxy on the way out may put its own in its place.',
    needs: 'nothing',
    examine: (visit) => onAllowed(visit, async (address) => shakeHands(visit, new URL(address))),
  },
]

/** Says what is wrong, `''` if nothing; `undefined` if another rule has to say it. */
type Judge = (text: string) => Promise<string | undefined>

async function onEach ({ options: { domains } }: Visit, judge: Judge): Promise<Observation[]> {
  if (domains.length === 0) return [notChecked('--domain', 'name one to have it checked')]
  return Promise.all(domains.map(async (domain) => {
    const fault = await judge(domain)
    if (fault === undefined) return notReached(domain, 'authorization-servers.resolves')
    return fault === '' ? sound(domain) : failure(domain, fault)
  }))
}

async function onAllowed (visit: Visit, judge: Judge): Promise<Observation[]> {
  const observations = await onEach(visit, async (domain) => {
    const address = addressOf(visit, domain)
    return address === undefined ? undefined : judge(address)
  })
  return observations.map((each) => {
    const isRefused = each.verdict === 'not-reached' && addressOf(visit, each.subject) === undefined
    return isRefused ? notReached(each.subject, 'authorization-servers.allowed') : each
  })
}

const addressOf = ({ options }: Visit, domain: string): string | undefined => parseDomainName(domain, options)

async function resolve ({ options: { lookup, dangerouslyAllowHttp } }: Visit, { hostname }: URL): Promise<string> {
  try {
    const addresses = await lookup(hostname, { all: true })
    const inner = dangerouslyAllowHttp ? undefined : addresses.find(({ address }) => isInnerAddress(address))
    return inner === undefined ? '' : `it leads to ${inner.address}, an inner address`
  } catch (error) {
    return `it leads nowhere: ${codeIn(error)}`
  }
}

async function shakeHands ({ options }: Visit, { protocol, hostname, port }: URL): Promise<string | undefined> {
  const { lookup, authorities, clock } = options
  if (protocol === 'http:') return ''
  try {
    const addresses = await lookup(hostname, { all: true })
    const [first] = addresses
    if (first === undefined || (!options.dangerouslyAllowHttp && addresses.some(({ address }) => isInnerAddress(address)))) return undefined
    const sight = await lookAtTls({ host: first.address, port: Number(port || 443), serverName: hostname, authorities })
    return sight.chainFault || sight.nameFault || (sight.expiresAt < clock.now() ? 'its certificate has expired' : '')
  } catch (error) {
    const code = codeIn(error)
    return code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? undefined : `no handshake: ${code}`
  }
}
