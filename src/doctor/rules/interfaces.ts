import { eachInOrder, eachSpecimen, isKit } from '../each-specimen.ts'
import { describeReply, describeSent, expectResult } from '../exchange-reading.ts'
import { failure, sound, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import { wireNameOf, without } from '../sign-specimen.ts'
import { doctorIds, specimenOf, type Members, type Specimen } from '../specimens.ts'
import type { Visit } from '../visit.ts'

const success = { codes: ['000000'] }
const anySpecimen = (): boolean => true

/** The debug console's own cases (接口调试): every interface of both generations. */
export const interfaceRules: readonly Rule[] = [
  {
    id: 'interfaces.positive',
    group: 'interfaces',
    checks: 'A good call to each interface succeeds.',
    why: 'All ten interfaces must pass the debug console before the goods can be listed; the saved cases run again every morning and afternoon.',
    advice: 'Read the resultMsg: it says what was refused. `jointgate pushes list` has the call.',
    needs: 'gateway',
    examine: (visit) => eachInOrder(visit, anySpecimen, async (specimen) => [expectResult(await visit.ask(specimen), success)]),
  },
  {
    id: 'interfaces.same-signature',
    group: 'interfaces',
    checks: 'The same call with the same signature gets the same answer.',
    why: 'The marketplace repeats a call whose answer was lost, and counts the second answer.',
    advice: 'Let nothing in front of the gateway cache, limit or remember calls.',
    needs: 'gateway',
    examine: (visit) => eachInOrder(visit, anySpecimen, (specimen) => repeatSame(visit, specimen)),
  },
  {
    id: 'interfaces.new-signature',
    group: 'interfaces',
    checks: 'The same call, signed anew, succeeds again.',
    why: 'Interfaces must be idempotent (幂等): the dial test sends the same cases twice a day, and five days of failure freeze the trade.',
    advice: 'Read the resultMsg; check that the data folder is kept and is not restored from an old copy.',
    needs: 'gateway',
    examine: (visit) => eachInOrder(visit, anySpecimen, async (specimen) => [expectResult(await visit.ask(specimen, { how: 'repeated' }), success)]),
  },
  {
    id: 'interfaces.missing-member',
    group: 'interfaces',
    checks: 'A call without a mandatory member gets 000002, and the message names the member.',
    why: 'Whoever debugs in the console has nothing but this text to find the fault with.',
    advice: 'See whether something between the marketplace and the gateway rewrites bodies or answers.',
    needs: 'gateway',
    examine: (visit) => eachSpecimen(visit, isFirstOfItsName, (specimen) => leaveOut(visit, specimen)),
  },
  {
    id: 'interfaces.text-flags',
    group: 'interfaces',
    checks: 'flag and testFlag are understood as text too.',
    why: 'The tables call them integers, the marketplace\'s own sample sends "1".',
    advice: 'Update the gateway.',
    needs: 'gateway',
    examine: (visit) => eachSpecimen(visit, isKit, async (specimen) => {
      const change = (members: Members): Members => ({ ...members, testFlag: '1', ...('flag' in members && { flag: '1' }) })
      return [expectResult(await visit.ask(specimen, { change, how: 'flags as text' }), success)]
    }),
  },
  {
    id: 'interfaces.credential-stage',
    group: 'interfaces',
    checks: 'tenantSync, applicationSync and allOrgSync are taken with an empty instanceId.',
    why: 'When you apply for a credential (应用凭证) nothing was bought yet, and these three come without an instance; if one fails there is no credential.',
    advice: 'Update the gateway.',
    needs: 'gateway',
    examine: (visit) => eachInOrder(visit, isOfCredentialStage, async (specimen) => {
      const change = (members: Members): Members => ({ ...members, instanceId: '', ...('orderId' in members && { orderId: '' }) })
      return [expectResult(await visit.ask(specimen, { change, how: 'without an instance' }), success)]
    }),
  },
  {
    id: 'interfaces.delete-before-add',
    group: 'interfaces',
    checks: 'Deleting what was never added succeeds, and so does deleting it again.',
    why: 'A delete must never fail because the thing, or its instance, is gone; the console tests it.',
    advice: 'Update the gateway.',
    needs: 'gateway',
    examine: (visit) => eachInOrder(visit, hasDelete, (specimen) => deleteTwice(visit, specimen)),
  },
]

const isOfCredentialStage = (specimen: Specimen): boolean => ['tenantSync', 'applicationSync', 'allOrgSync'].includes(specimen.name)

const hasDelete = (specimen: Specimen): boolean => isKit(specimen) && specimen.mandatory.includes('flag')

/** Without a member FREEZE and UNFREEZE are one call, and V1, which has no nonce, would sign both alike. */
const isFirstOfItsName = (specimen: Specimen): boolean => specimenOf(specimen.scheme, specimen.name) === specimen

async function repeatSame (visit: Visit, specimen: Specimen): Promise<Observation[]> {
  const first = await visit.ask(specimen)
  const judged = expectResult(first, success)
  // What goes wrong the first time is the positive case's to tell.
  if (judged.verdict !== 'sound') return [{ ...judged, verdict: 'not-reached', what: judged.verdict === 'failure' ? 'interfaces.positive' : judged.what }]
  const second = await visit.repeat({ ...first, how: 'the same signature again' })
  const repeated = expectResult(second, success)
  if (repeated.verdict !== 'sound') return [repeated]
  const isSame = first.reply.kind === 'answer' && second.reply.kind === 'answer' && first.reply.answer.body.equals(second.reply.answer.body)
  if (isSame) return [sound(second.subject)]
  return [failure(second.subject, `another answer than ${describeReply(first.reply)}`, { sent: describeSent(second.sent), answered: describeReply(second.reply) })]
}

async function leaveOut (visit: Visit, specimen: Specimen): Promise<Observation[]> {
  return Promise.all(specimen.mandatory.map(async (path) => {
    const name = wireNameOf(specimen, path)
    const exchange = await visit.ask(specimen, { change: (members) => without(members, path), how: `without ${name}` })
    return expectResult(exchange, {
      codes: ['000002'],
      judge: ({ resultMsg }) => (new RegExp(`\\b${name}\\b`).test(resultMsg) ? undefined : `the message does not name ${name}`),
    })
  }))
}

async function deleteTwice (visit: Visit, specimen: Specimen): Promise<Observation[]> {
  const change = (members: Members): Members => {
    return { ...members, flag: 0, tenantId: doctorIds.nobody, instanceId: doctorIds.noInstance }
  }
  const first = expectResult(await visit.ask(specimen, { change, how: 'deletion' }), success)
  const second = expectResult(await visit.ask(specimen, { change, how: 'deletion again' }), success)
  return [first, second]
}
