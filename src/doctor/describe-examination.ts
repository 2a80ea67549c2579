import type { Observation } from './observation.ts'
import { ruleGroups } from './rule.ts'
import type { Examination, RuleFinding } from './examine-gateway.ts'

/** How many of the calls that broke a rule are shown: the others say the same. */
const mostExamples = 3

/** What a person reads: what failed and what to do first, then a line for each group. */
export function describeExamination ({ url, calls, milliseconds, isSound, rules }: Examination): string[] {
  const failed = rules.filter(({ status }) => status === 'failed')
  const warned = rules.filter(({ status }) => status === 'warned')
  return [
    `jointgate doctor: ${url}`,
    '',
    ...failed.flatMap((rule) => describeRule('FAILED', rule)),
    ...warned.flatMap((rule) => describeRule('WARNING', rule)),
    ...ruleGroups.map((group) => describeGroup(group, rules.filter((rule) => rule.group === group))),
    '',
    `${isSound ? 'Sound' : 'Not sound'}: ${failed.length} of ${rules.length} rules failed, ${warned.length} with warnings; ${calls} calls in ${(milliseconds / 1000).toFixed(1)} s.`,
  ]
}

function describeRule (title: string, { id, checks, why, advice, looks, observations }: RuleFinding): string[] {
  const bad = observations.filter(({ verdict }) => verdict === 'failure' || verdict === 'warning')
  const others = bad.length - mostExamples
  return [
    `${title}  ${id}  ${checks}`,
    ...bad.slice(0, mostExamples).flatMap(describeObservation),
    ...(others > 0 ? [`  and ${others} more (of ${looks} looks)`] : []),
    `  why:      ${why}`,
    `  to do:    ${advice}`,
    '',
  ]
}

function describeObservation ({ subject, what, sent, answered }: Observation): string[] {
  return [
    `  found:    ${subject}: ${what}`,
    ...(sent === '' ? [] : [`  sent:     ${sent}`]),
    ...(answered === '' ? [] : [`  answered: ${answered}`]),
  ]
}

function describeGroup (group: string, rules: readonly RuleFinding[]): string {
  const words = { passed: 'passed', failed: 'FAILED', warned: 'warned', 'not-reached': 'not reached', 'not-checked': 'not checked' } as const
  const counts = Object.entries(words).map(([status, word]) => [rules.filter((rule) => rule.status === status).length, word] as const)
  const causes = new Set(rules.filter(({ status }) => status === 'not-reached' || status === 'not-checked').flatMap(({ observations }) => observations.map(({ what }) => what)))
  const because = causes.size === 0 ? '' : ` (${[...causes].join(', ')})`
  return `  ${group.padEnd(22)} ${counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`).join(', ')}${because}`
}
