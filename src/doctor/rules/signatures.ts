import { randomBytes } from 'node:crypto'
import { createRandomId } from '../../base/random-id.ts'
import { Secret } from '../../base/secret.ts'
import { authTokenWindowMilliseconds } from '../../push/signature/auth-token.ts'
import { windowMilliseconds } from '../../push/signature/stamp.ts'
import type { SignedCall } from '../../simulator/marketplace-call.ts'
import { eachSpecimen } from '../each-specimen.ts'
import { expectResult } from '../exchange-reading.ts'
import type { Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import { moveBorder, removeSignature, alterContent } from '../tamper.ts'
import type { Specimen } from '../specimens.ts'
import type { AskOptions, Visit } from '../visit.ts'

const why = 'The production address is public and no IP white list is possible: the signature is all that keeps strangers from making tenants, accounts and orders.'
const advice = 'Take the gateway off the net until it is found: either it runs with keys that are not secret, or something in front of it answers in its place.'

/** What must be refused with 000001, of every interface. */
export const signatureRules: readonly Rule[] = [
  rule('signatures.none', 'A call without a signature is refused.', why, () => [{ tamper: removeSignature, how: 'unsigned' }]),
  rule('signatures.strange-key', 'A call signed with a strange key is refused.', why, () => [
    { accessKey: new Secret(createRandomId()), how: 'signed with a strange key' },
  ]),
  rule('signatures.altered', 'A call that was altered after signing is refused.', why, () => [{ tamper: alterContent, how: 'altered after signing' }]),
  rule('signatures.stale', 'A call from before the time window is refused.', 'Whoever recorded a call could send it again at any time, such as an authorisation that was taken back since.',
    (specimen, now) => [{ at: now - outside(specimen), how: 'signed too long ago' }]),
  rule('signatures.future', 'A call from after the time window is refused.', 'A recorded call from the future would stay good until then.',
    (specimen, now) => [{ at: now + outside(specimen), how: 'signed in the future' }]),
  rule('signatures.border', 'A call whose border between nonce and time was moved is refused.',
    'The signed text has no separators: with the border moved the same signature fits a "new" nonce, and a recorded call gets past the replay memory.',
    ({ scheme }) => (scheme.endsWith('v2') ? borders() : [])),
]

type Attempts = (specimen: Specimen, now: number) => readonly AskOptions[]

function rule (id: string, checks: string, because: string, attempts: Attempts): Rule {
  const examine = async (visit: Visit): Promise<Observation[]> => eachSpecimen(visit, isMeant, async (specimen) => {
    const tries = attempts(specimen, visit.options.clock.now()).map(async (options) => {
      // Nobody knows which key was meant, so any of ours may sign the refusal.
      const exchange = await visit.ask(specimen, { ...options, answerKeys: visit.keysOf(specimen.scheme) })
      return expectResult(exchange, { codes: ['000001'] })
    })
    return Promise.all(tries)
  })
  const isMeant = (specimen: Specimen): boolean => attempts(specimen, 0).length > 0
  return { id, group: 'signatures', checks, why: because, advice, needs: 'gateway', examine }
}

/** V1 documents no window, and ours is ten minutes. Far enough outside that two clocks need not agree to the second. */
function outside ({ scheme }: Specimen): number {
  return (scheme.endsWith('v1') ? authTokenWindowMilliseconds : windowMilliseconds) * 3
}

/** The nonce ends in zeros: what of it moves into the time leaves the number as it was, and only its length tells. */
function borders (): AskOptions[] {
  const nonce = (): string => `${randomBytes(12).toString('hex')}000`
  const moved = (digits: number): AskOptions => ({
    nonce: nonce(),
    tamper: (call: SignedCall) => moveBorder(call, digits),
    how: `border moved by ${Math.abs(digits)} to the ${digits < 0 ? 'left' : 'right'}`,
  })
  return [moved(-1), moved(-3), moved(1), moved(3)]
}
