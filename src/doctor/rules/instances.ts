import { eachSpecimen } from '../each-specimen.ts'
import { expectResult, type Result } from '../exchange-reading.ts'
import type { Rule } from '../rule.ts'
import { doctorIds, type Specimen } from '../specimens.ts'

const isNamed = (...names: string[]) => (specimen: Specimen): boolean => names.includes(specimen.name)

/** What is answered about instances. */
export const instanceRules: readonly Rule[] = [
  {
    id: 'instances.new-answer',
    group: 'instances',
    checks: 'newInstance answers instanceId (at most 64 characters) and appInfo.frontEndUrl (at most 512).',
    why: 'The console says "response lacks instanceId" or "frontEndUrl"; of a real order the marketplace repeats the call for two hours and then refunds it.',
    advice: 'Check what the provisioning hook answers; without a hook the public URL is answered.',
    needs: 'gateway',
    examine: (visit) => eachSpecimen(visit, isNamed('newInstance'), async (specimen) => [
      expectResult(await visit.ask(specimen), { codes: ['000000'], judge: ({ members }) => judgeAccess(members) }),
    ]),
  },
  {
    id: 'instances.same-id',
    group: 'instances',
    checks: 'newInstance of the same order answers the same instanceId.',
    why: 'The marketplace repeats newInstance with a new businessId each time: a second id would be a second instance that nobody has bought.',
    advice: 'See that all processes of the gateway share one store, and that its data folder is kept.',
    needs: 'gateway',
    examine: (visit) => eachSpecimen(visit, isNamed('newInstance'), async (specimen) => {
      const known = visit.instanceIdOf(specimen.scheme)
      const exchange = await visit.ask(specimen, { how: 'with another businessId' })
      const judge = ({ members: { instanceId } }: Result) => (known === undefined || instanceId === known ? undefined : `another instanceId than ${known}`)
      return [expectResult(exchange, { codes: ['000000'], judge })]
    }),
  },
  {
    id: 'instances.query-answer',
    group: 'instances',
    checks: 'queryInstance answers the instance, with appInfo.frontEndUrl.',
    why: 'After newInstance the marketplace polls it, and shows the buyer this address: without it the order is not delivered.',
    advice: 'Check what the provisioning hook answers; without a hook the public URL is answered.',
    needs: 'gateway',
    examine: (visit) => eachSpecimen(visit, isNamed('queryInstance'), async (specimen) => [
      expectResult(await visit.ask(specimen), { codes: ['000000'], judge: ({ members }) => judgeInfo(members['info'], visit.instanceIdOf(specimen.scheme)) }),
    ]),
  },
  {
    id: 'instances.unknown',
    group: 'instances',
    checks: 'A call about an instance that was never made gets 000003.',
    why: 'A success would tell the marketplace that a renewal or a freeze was carried out which nobody did.',
    advice: 'See whether something in front of the gateway answers in its place.',
    needs: 'gateway',
    // Of a release the tables allow both answers (sync.md §4.5).
    examine: (visit) => eachSpecimen(visit, ({ isAboutInstance, name }) => isAboutInstance && name !== 'releaseInstance', async (specimen) => [
      expectResult(await visit.ask(specimen, { change: (members) => ({ ...members, instanceId: doctorIds.noInstance }), how: 'unknown instance' }), { codes: ['000003'] }),
    ]),
  },
]

function judgeAccess ({ instanceId, appInfo }: Result['members']): string | undefined {
  if (!isText(instanceId, 64)) return 'the answer lacks instanceId, or it is too long'
  const { frontEndUrl } = (appInfo ?? {}) as { frontEndUrl?: unknown }
  return isText(frontEndUrl, 512) ? undefined : 'the answer lacks appInfo.frontEndUrl, or it is too long'
}

function judgeInfo (info: unknown, asked: string | undefined): string | undefined {
  const found = Array.isArray(info) ? (info as Array<Result['members'] | null>).find((each) => each?.['instanceId'] === asked) : undefined
  return found == null ? 'the answer lacks the instance' : judgeAccess(found)
}

function isText (value: unknown, longest: number): boolean {
  return typeof value === 'string' && value !== '' && value.length <= longest
}
