import { createPublicKey } from 'node:crypto'
import { Secret } from '../../base/secret.ts'
import { sealClientSecret } from '../../push/signature/client-secret.ts'
import { eachSpecimen } from '../each-specimen.ts'
import { expectResult } from '../exchange-reading.ts'
import type { Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import type { Members, Specimen } from '../specimens.ts'
import { strangePublicKey } from '../strange-public-key.ts'
import type { Visit } from '../visit.ts'

const isApplicationSync = ({ name }: Specimen): boolean => name === 'applicationSync'

/** Whether the gateway opens what is sealed for it, and knows when it can't. */
export const secretRules: readonly Rule[] = [
  {
    id: 'secrets.opened',
    group: 'secrets',
    checks: 'A client secret sealed with the public half of each configured private key is opened.',
    why: 'The marketplace seals it with the public key of the application credential; unopened, nobody of that tenant can sign in.',
    advice: 'Compare the private keys of the running gateway with this configuration (`jointgate check` prints their public halves), and the newest one with the public key in the seller centre.',
    needs: 'gateway',
    async examine (visit) {
      const observations = await eachSpecimen(visit, isApplicationSync, (specimen) => trySecrets(visit, specimen))
      // Every other case of the interface would say the same.
      if (observations.some(({ verdict }) => verdict === 'failure')) visit.closeInterface('applicationSync', 'secrets.opened')
      return observations
    },
  },
  {
    id: 'secrets.strange-key',
    group: 'secrets',
    checks: 'A client secret sealed with a strange key is refused with 000101.',
    why: 'A gateway that says success to what it cannot open fails later, at each login, where nobody finds the reason.',
    advice: 'See whether something in front of the gateway answers in its place.',
    needs: 'gateway',
    async examine (visit) {
      const clientSecret = sealClientSecret(new Secret('doctor-secret'), createPublicKey(strangePublicKey))
      return eachSpecimen(visit, isApplicationSync, async (specimen) => {
        const exchange = await visit.ask(specimen, { change: withSecret(clientSecret), how: 'sealed with a strange key' })
        return [expectResult(exchange, { codes: ['000101'] })]
      })
    },
  },
]

const withSecret = (clientSecret: string | undefined) => (members: Members): Members => ({ ...members, clientSecret })

async function trySecrets (visit: Visit, specimen: Specimen): Promise<Observation[]> {
  const keys = visit.options.privateKeys
  return Promise.all(keys.map(async (_, index) => {
    const how = `private key ${index + 1} of ${keys.length}`
    return expectResult(await visit.ask(specimen, { change: withSecret(visit.sealSecret(index)), how }), { codes: ['000000'] })
  }))
}
