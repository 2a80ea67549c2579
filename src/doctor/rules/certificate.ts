import { failure, notChecked, notReached, sound, warning, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import { lookAtTls, takesOldTls, type TlsSight, type TlsTarget } from '../tls-probe.ts'
import type { Visit } from '../visit.ts'
import { isLocal } from './address.ts'

/** A renewal that failed once shows before it is too late. */
const leastDaysLeft = 14
const dayMilliseconds = 86_400_000

/** The certificate and the protocol under it, of https addresses only. */
export const certificateRules: readonly Rule[] = [
  {
    id: 'certificate.chain',
    group: 'certificate',
    checks: 'The certificate\'s chain leads to a known authority.',
    why: 'The marketplace trusts known authorities only: to it the address is not reachable.',
    advice: 'Use a certificate of a public authority and send the intermediate certificates with it (fullchain).',
    needs: 'nothing',
    examine: (visit) => look(visit, 'certificate.chain', ({ chainFault }) => chainFault),
  },
  {
    id: 'certificate.name',
    group: 'certificate',
    checks: 'The certificate is for this host.',
    why: 'To the marketplace an address with another\'s certificate is not reachable.',
    advice: 'Get a certificate for the host of the production address, or see why the proxy sends another one.',
    needs: 'nothing',
    examine: (visit) => look(visit, 'certificate.name', ({ nameFault }) => nameFault),
  },
  {
    id: 'certificate.validity',
    group: 'certificate',
    checks: `The certificate is good for ${leastDaysLeft} days more.`,
    why: 'On the day on which it expires every call and every login fails.',
    advice: 'Renew it now, and see why nothing did so by itself.',
    needs: 'nothing',
    async examine (visit) {
      const now = visit.options.clock.now()
      const observations = await look(visit, undefined, ({ expiresAt }) => {
        const days = Math.floor((expiresAt - now) / dayMilliseconds)
        return days >= leastDaysLeft ? '' : days < 0 ? 'it has expired' : `it expires in ${days} days`
      })
      if (observations.some(({ what }) => what === 'it has expired')) visit.stop('certificate.validity')
      return observations
    },
  },
  {
    id: 'certificate.protocol',
    group: 'certificate',
    checks: 'TLS 1.2 or newer is spoken, and nothing older.',
    why: 'The marketplace asks for TLS 1.2 or newer; older versions are findings of its vulnerability scan, and one finding of high risk fails the listing.',
    advice: 'Switch TLS 1.2 and 1.3 on and 1.0 and 1.1 off where TLS ends.',
    needs: 'nothing',
    examine: examineProtocol,
  },
]

async function look (visit: Visit, stopBy: string | undefined, faultOf: (sight: TlsSight) => string): Promise<Observation[]> {
  const host = new URL(visit.options.baseUrl).host
  const target = targetOf(visit)
  if (target === undefined) return [unencrypted(visit)]
  try {
    const fault = faultOf(await lookAtTls(target))
    if (fault === '') return [sound(host)]
    if (stopBy !== undefined) visit.stop(stopBy)
    return [failure(host, fault)]
  } catch {
    // That there is no handshake is for other rules to tell.
    return [notReached(host, 'address.answers')]
  }
}

async function examineProtocol (visit: Visit): Promise<Observation[]> {
  const { host } = new URL(visit.options.baseUrl)
  const target = targetOf(visit)
  if (target === undefined) return [unencrypted(visit)]
  const [sight, isOldTaken] = await Promise.all([lookAtTls(target).catch(() => undefined), takesOldTls(target)])
  if (sight === undefined && isOldTaken) {
    visit.stop('certificate.protocol')
    return [failure(host, 'only versions before TLS 1.2 are spoken')]
  }
  if (sight === undefined) return [notReached(host, 'address.answers')]
  return [isOldTaken ? warning(host, 'TLS 1.0 or 1.1 is taken too') : sound(host)]
}

function targetOf (visit: Visit): TlsTarget | undefined {
  const { protocol, hostname, port } = new URL(visit.options.baseUrl)
  if (protocol !== 'https:') return undefined
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443), authorities: visit.options.authorities }
}

const unencrypted = ({ options: { baseUrl } }: Visit): Observation =>
  notChecked(baseUrl, isLocal(new URL(baseUrl)) ? 'local' : 'no https')
