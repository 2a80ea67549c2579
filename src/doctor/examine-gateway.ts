import { ruleTable } from './rule-table.ts'
import { notReached, type Observation } from './observation.ts'
import type { Rule } from './rule.ts'
import { Visit, type DoctorOptions } from './visit.ts'

export interface RuleFinding extends Pick<Rule, 'id' | 'group' | 'checks' | 'why' | 'advice'> {
  readonly status: 'passed' | 'failed' | 'warned' | 'not-reached' | 'not-checked'
  /** How many things were looked at, and how many were not because of another rule. */
  readonly looks: number
  readonly notReached: number
  /** What went wrong, and what stood in the way of looking. */
  readonly observations: readonly Observation[]
}

export interface Examination {
  readonly url: string
  /** Epoch ms. */
  readonly startedAt: number
  readonly milliseconds: number
  readonly calls: number
  readonly isSound: boolean
  readonly rules: readonly RuleFinding[]
}

/**
 * Plays the marketplace's console and dial tests against a gateway, with ids of its own and as debugging data only.
 *
 * @param table the rules to look at, in an order in which each finds what it needs
 */
export async function examineGateway (options: DoctorOptions, table: readonly Rule[] = ruleTable): Promise<Examination> {
  const visit = new Visit(options)
  const rules: RuleFinding[] = []
  try {
    for (const rule of table) rules.push(summarise(rule, await lookAt(rule, visit)))
  } finally {
    visit.end()
  }
  return {
    url: options.baseUrl,
    startedAt: visit.startedAt,
    milliseconds: options.clock.now() - visit.startedAt,
    calls: visit.exchanges.length,
    isSound: rules.every(({ status }) => status !== 'failed'),
    rules,
  }
}

async function lookAt (rule: Rule, visit: Visit): Promise<readonly Observation[]> {
  if (rule.needs === 'gateway' && visit.stoppedBy !== undefined) return [notReached('all of it', visit.stoppedBy)]
  return rule.examine(visit)
}

function summarise ({ id, group, checks, why, advice }: Rule, observations: readonly Observation[]): RuleFinding {
  const count = (verdict: Observation['verdict']): number => observations.filter((each) => each.verdict === verdict).length
  const [failures, warnings, sounds, unreached] = [count('failure'), count('warning'), count('sound'), count('not-reached')]
  const status = failures > 0 ? 'failed' : warnings > 0 ? 'warned' : sounds > 0 ? 'passed' : unreached > 0 ? 'not-reached' : 'not-checked'
  return {
    id,
    group,
    checks,
    why,
    advice,
    status,
    looks: failures + warnings + sounds,
    notReached: unreached,
    observations: observations.filter(({ verdict }) => verdict !== 'sound'),
  }
}
