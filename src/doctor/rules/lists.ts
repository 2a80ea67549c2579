import { notReached, failure, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import { detailsOf, expectResult, type Exchange } from '../exchange-reading.ts'
import { departmentNumber, labelOf, specimenOf, userNumber, type Members, type Specimen } from '../specimens.ts'
import type { Visit } from '../visit.ts'

const success = { codes: ['000000'] }
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const advice = 'Raise the body limit (16 MiB) and the time limit of whatever stands in front of the gateway; look at the disk under its data folder.'

/** Long lists, and the forms in which a list may come. */
export const listRules: readonly Rule[] = [
  {
    id: 'lists.department-forms',
    group: 'lists',
    checks: 'allOrgSync takes orgInfoList as an array, as JSON text and as text with unquoted names.',
    why: 'The table says array, the example on the same page prints the text: nobody outside knows which one comes.',
    advice: 'Update the gateway.',
    needs: 'gateway',
    async examine (visit) {
      const specimen = specimenOf('kit-v2', 'allOrgSync')
      const asText = await tryList(visit, specimen, { how: 'JSON text', change: withDepartments(JSON.stringify([departmentNumber(1), departmentNumber(2)])) })
      const unquoted = '[{orgCode:doctor-department-1,orgName:体检部门,parentCode:}]'
      return [...asText, ...await tryList(visit, specimen, { how: 'unquoted text', change: withDepartments(unquoted) })]
    },
  },
  {
    id: 'lists.users-500',
    group: 'lists',
    checks: 'authSync with 500 users succeeds within five seconds.',
    why: 'V1 allows so many in one call. An administrator whose authorisation fails must decide by hand what to do.',
    advice,
    needs: 'gateway',
    examine: async (visit) => [
      ...await tryList(visit, specimenOf('kit-v2', 'authSync'), { how: '500 users', change: withUsers(500) }),
      ...await tryList(visit, specimenOf('kit-v1', 'authSync'), { how: '500 users', change: withUsers(500) }),
    ],
  },
  {
    id: 'lists.users-5000',
    group: 'lists',
    checks: 'authSync with 5000 users succeeds within five seconds.',
    why: 'The buyer\'s console lets an administrator select 5000 people at once.',
    advice,
    needs: 'gateway',
    examine: async (visit) => tryList(visit, specimenOf('kit-v2', 'authSync'), { how: '5000 users', change: withUsers(5000) }),
  },
  {
    id: 'lists.departments-5000',
    group: 'lists',
    checks: 'allOrgSync with 5000 departments succeeds within five seconds.',
    why: 'All departments of an enterprise come in one call, and no documented retry follows if it fails.',
    advice,
    needs: 'gateway',
    examine: async (visit) => [
      ...await tryList(visit, specimenOf('kit-v2', 'allOrgSync'), { how: '5000 departments', change: withDepartments(numbers(5000).map(departmentNumber)) }),
      ...await tryList(visit, specimenOf('kit-v1', 'allOrgSync'), { how: '5000 departments', change: withDepartments(numbers(5000).map(departmentNumber)) }),
    ],
  },
]

const withUsers = (count: number) => (members: Members): Members => ({ ...members, userList: numbers(count).map(userNumber) })

const withDepartments = (orgInfoList: unknown) => (members: Members): Members => ({ ...members, orgInfoList })

interface ListCase { readonly how: string, readonly change: (members: Members) => Members }

async function tryList (visit: Visit, specimen: Specimen, { how, change }: ListCase): Promise<Observation[]> {
  const closedBy = visit.closedBy(specimen.scheme)
  if (closedBy !== undefined) return [notReached(labelOf(specimen), closedBy)]
  const exchange = await visit.ask(specimen, { how, change, isLarge: true })
  return [judgeTime(visit, exchange) ?? expectResult(exchange, success)]
}

/** Large calls have this limit of their own: whatever keeps them, that it does so only here is worth knowing. */
function judgeTime ({ options: { limits } }: Visit, exchange: Exchange): Observation | undefined {
  const { subject, how, reply } = exchange
  if (reply.kind === 'none') return reply.code === 'no-time-left' ? undefined : failure(`${subject}, ${how}`, `no answer: ${reply.code}`, detailsOf(exchange))
  if (reply.answer.status !== 200) return failure(`${subject}, ${how}`, `HTTP ${reply.answer.status}`, detailsOf(exchange))
  if (reply.milliseconds <= limits.tooSlow) return undefined
  return failure(`${subject}, ${how}`, `answered after ${reply.milliseconds} ms`, detailsOf(exchange))
}
