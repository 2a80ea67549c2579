import type { SignatureScheme } from '../../push/push-report.ts'
import { keyKindOf } from '../../push/verify-call.ts'
import { expectResult, readReply } from '../exchange-reading.ts'
import { headerOf } from '../line.ts'
import { failure, notChecked, notReached, sound, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import { schemes, specimenOf } from '../specimens.ts'
import type { Visit } from '../visit.ts'

const mostSkewMilliseconds = 30_000

/** Whether both sides agree on the time and on the keys: everything signed hangs on it. */
export const clockAndKeyRules: readonly Rule[] = [
  {
    id: 'clock.date',
    group: 'clock and keys',
    checks: 'The Date header of an answer is within 30 seconds of this machine\'s clock.',
    why: 'V2 signatures live for 60 seconds: a clock that is further off refuses every call with 000001.',
    advice: 'Run NTP on the gateway\'s host (and on this one).',
    needs: 'gateway',
    examine: compareClocks,
  },
  {
    id: 'keys.fresh-signature',
    group: 'clock and keys',
    checks: 'A call that is signed now is taken, with each configured key and in each of the four ways of signing.',
    why: 'The console says 鉴权失败 (000001): either the gateway has other keys than this configuration, or its clock is wrong.',
    advice: 'Compare the keys of the running gateway (`jointgate keys status`) with this configuration and the seller centre; restart it if it was started with others. Then check its clock.',
    needs: 'gateway',
    examine: tryKeys,
  },
]

async function compareClocks ({ greeting, options: { clock } }: Visit): Promise<Observation[]> {
  const date = greeting && headerOf(greeting, (name) => name.toLowerCase() === 'date')
  const time = Date.parse(date ?? '')
  if (Number.isNaN(time)) return [notChecked('Date header', 'there is none')]
  const skew = time - clock.now()
  if (Math.abs(skew) <= mostSkewMilliseconds) return [sound('Date header')]
  const seconds = Math.round(Math.abs(skew) / 1000)
  return [failure('Date header', `the gateway's clock is ${seconds} seconds ${skew > 0 ? 'ahead' : 'behind'}`, { answered: `Date: ${date}` })]
}

async function tryKeys (visit: Visit): Promise<Observation[]> {
  const observations = await Promise.all(schemes.map((scheme) => tryScheme(visit, scheme)))
  return observations.flat()
}

async function tryScheme (visit: Visit, scheme: SignatureScheme): Promise<Observation[]> {
  const keys = visit.keysOf(scheme)
  const specimen = specimenOf(scheme, keyKindOf(scheme) === 'kit' ? 'tenantSync' : 'newInstance')
  if (keys.length === 0) {
    visit.close(scheme, `configuration.${keyKindOf(scheme)}-key`)
    return [notReached(specimen.name, `configuration.${keyKindOf(scheme)}-key`)]
  }
  const observations: Observation[] = []
  for (const [index, accessKey] of keys.entries()) {
    const exchange = await visit.ask(specimen, { accessKey, how: `key ${index + 1} of ${keys.length}` })
    const reading = readReply(exchange.reply)
    if (index === 0 && reading.kind === 'undecided') visit.close(scheme, reading.because)
    const isRefused = reading.kind === 'result' && reading.result.resultCode === '000001'
    if (index === 0 && isRefused) visit.close(scheme, 'keys.fresh-signature')
    // Whether the rest of it is right is for the rules that follow.
    observations.push(isRefused || reading.kind === 'undecided' ? expectResult(exchange, { codes: ['000000'] }) : sound(exchange.subject))
  }
  return observations
}
